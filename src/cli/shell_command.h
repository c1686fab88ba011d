// A command for people to copy.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/terminal.h"

namespace wan::cli {

class ShellCommand {
 public:
  /// `words`: "wanbench generate".
  explicit ShellCommand(std::string words) : pieces_{std::move(words)} {}

  /// A word that is taken as it is: FILE.
  void add(std::string_view flag, std::string_view word);
  /// A path, quoted for a shell where it must be.
  void add_path(std::string_view flag, const std::filesystem::path& path);

  /// In one line.
  std::string text() const;
  /// In lines of 80 columns where its words allow, each but the last ended by a backslash, which a shell takes.
  Lines lines(size_t indent = 2) const;

 private:
  std::vector<std::string> pieces_;  // flags with their words
};

}  // namespace wan::cli
