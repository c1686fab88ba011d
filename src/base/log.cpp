#include "base/log.h"

#include <cstdio>

#include <fmt/format.h>

namespace wan::log {

void info(std::string_view message) { fmt::print(stderr, "{}\n", message); }
void warning(std::string_view message) { fmt::print(stderr, "warning: {}\n", message); }
void error(std::string_view message) { fmt::print(stderr, "error: {}\n", message); }

}  // namespace wan::log
