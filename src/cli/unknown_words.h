// The word of a command line that no command and no option is called, and what may have been meant by it: the one place
// for all of them.
#pragma once

#include <optional>
#include <string>
#include <vector>

namespace CLI {
class App;
}

namespace wan::cli {

/// "wanbench generate has no option --promt: did you mean --prompt?": of the first word of `arguments` (without the
/// program's name) that is none of `app` and what is below it. Hidden commands are known, but never offered. Nothing
/// where every word is known.
std::optional<std::string> unknown_word(const CLI::App& app, const std::vector<std::string>& arguments);

}  // namespace wan::cli
