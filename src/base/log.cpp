#include "base/log.h"

#include <cstdio>

#include <fmt/format.h>

#include "base/terminal.h"

namespace wan::log {

void info(std::string_view message) { fmt::print(stderr, "{}\n", terminal_lines(message)); }
void warning(std::string_view message) { fmt::print(stderr, "warning: {}\n", terminal_lines(message)); }
void error(std::string_view message) { fmt::print(stderr, "error: {}\n", terminal_lines(message)); }

}  // namespace wan::log
