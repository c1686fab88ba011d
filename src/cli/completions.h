// Shell completions of the command line.
#pragma once

#include <string>

#include "cli/command_tree.h"

namespace wan::cli {

/// A script that completes `wanbench`: for bash in share/bash-completion/completions/wanbench, for zsh in
/// share/zsh/site-functions/_wanbench, for fish in share/fish/vendor_completions.d/wanbench.fish.
std::string bash_completion(const CommandText& program);
std::string zsh_completion(const CommandText& program);
std::string fish_completion(const CommandText& program);

}  // namespace wan::cli
