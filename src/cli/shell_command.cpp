#include "cli/shell_command.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/subprocess.h"
#include "cli/columns.h"

namespace wan::cli {

void ShellCommand::add(std::string_view flag, std::string_view word) {
  pieces_.push_back(fmt::format("{} {}", flag, word));
}

void ShellCommand::add_path(std::string_view flag, const std::filesystem::path& path) {
  add(flag, shell_quoted(path.string()));
}

std::string ShellCommand::text() const { return fmt::format("{}", fmt::join(pieces_, " ")); }

Lines ShellCommand::lines(size_t indent) const {
  constexpr std::string_view kGoesOn = " \\";
  std::string out, line(indent, ' ');
  bool begins_line = true;
  for (const std::string& raw : pieces_) {
    const std::string piece = terminal_text(raw);
    if (!begins_line && line.size() + 1 + piece.size() + kGoesOn.size() > kColumns) {
      out += fmt::format("{}{}\n", line, kGoesOn);
      line.assign(2 * indent, ' ');
      begins_line = true;
    }
    line += (begins_line ? "" : " ") + piece;
    begins_line = false;
  }
  return {out + line + '\n'};
}

}  // namespace wan::cli
