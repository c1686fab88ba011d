// The environment variables that change how the engine and its libraries compute.
#pragma once

#include <map>
#include <span>
#include <string>

namespace wan::cli {

/// Their names.
std::span<const char* const> recorded_variables();
/// Those that are set in this process, with their values. Which card is visible is not among them: that says where a
/// run was made, not how.
std::map<std::string, std::string> engine_environment();

}  // namespace wan::cli
