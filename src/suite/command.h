// The command line of an external program for one case. A case's values never become part of a shell's text.
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "suite/case.h"

namespace wan::suite {

/// The variable of a program's environment that stands for a placeholder.
std::string variable_of(const std::string& key);

struct ExpandedCommand {
  std::vector<std::string> argv;
  std::map<std::string, std::string> environment;  // the variables that argv reads
};

/// {name}, {output} and the key of every option that a suite may have, such as {prompt} or {guidance_scale}, stand for
/// the case's values. In the text of a shell (sh, bash or dash -c TEXT) {prompt} becomes "${WANBENCH_PROMPT}", a
/// variable of the program's environment, which is set also where the text names it itself; in every other word the
/// value stands as it is. `${name}` is left to the shell. Throws Error(kUsage) for another lower-case name in braces,
/// for a placeholder of a shell's text inside quotes or after the begin of a here-document, where the shell would read
/// its value or take it apart, and for a value with a NUL.
ExpandedCommand expand_command(const std::vector<std::string>& command, const Case& details,
                               const std::filesystem::path& output);

}  // namespace wan::suite
