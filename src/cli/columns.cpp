#include "cli/columns.h"

#include <algorithm>

namespace wan::cli {

Lines wrapped(std::string_view given, size_t indent, size_t hanging) {
  const std::string fit = terminal_text(given);
  std::string_view text = fit;
  std::string out, line(indent, ' ');
  bool begins_line = true;
  while (!text.empty()) {
    const size_t end = std::min(text.find(' '), text.size());
    if (!begins_line && line.size() + 1 + end > kColumns) {
      out += line + '\n';
      line.assign(indent + hanging, ' ');
      begins_line = true;
    }
    if (!begins_line) line += ' ';
    line += text.substr(0, end);
    begins_line = false;
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return {out + line + '\n'};
}

}  // namespace wan::cli
