// The words that this process was started with.
#pragma once

#include <string>
#include <vector>

namespace wan::cli {

/// The program's name first. Empty where /proc does not tell.
std::vector<std::string> own_words();

}  // namespace wan::cli
