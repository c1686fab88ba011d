#include "base/log.h"

#include <cstdio>
#include <string>

#include <fmt/format.h>

#include "base/terminal.h"

namespace wan::log {
namespace {

/// Where nobody takes the message (a full disk, a closed pipe) there is nobody to tell either: never an error.
void write(std::string_view kind, std::string_view message) {
  const std::string line = fmt::format("{}{}\n", kind, terminal_lines(message));
  [[maybe_unused]] const size_t written = std::fwrite(line.data(), 1, line.size(), stderr);
}

}  // namespace

void info(std::string_view message) { write("", message); }
void warning(std::string_view message) { write("warning: ", message); }
void error(std::string_view message) { write("error: ", message); }

}  // namespace wan::log
