// The manual page, wanbench(1).
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "cli/command_tree.h"

namespace wan::cli {

/// An environment variable the program reads or sets, and what for.
struct EnvironmentVariable {
  std::string_view name, what;
};

/// All of them, but for those that are only written down with each run (engine_environment.h).
std::span<const EnvironmentVariable> environment_variables();

/// The page in man(7) macros; `version` is the program's.
std::string man_page(const CommandText& program, const std::string& version);

}  // namespace wan::cli
