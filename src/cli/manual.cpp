// `wanbench manual`: the manual page and the shell completions, as the build installs them. Not shown in --help.
#include <memory>
#include <string>

#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include "base/build_info.h"
#include "cli/command_tree.h"
#include "cli/commands.h"
#include "cli/completions.h"
#include "cli/man_page.h"

namespace wan::cli {

void add_manual_command(CLI::App& app, ExitCode& result) {
  auto kind = std::make_shared<std::string>();
  CLI::App* command = app.add_subcommand("manual", "Write the manual page or a shell's completions");
  command->group("");  // not shown in --help
  command->add_option("kind", *kind, "what to write")->required()->check(CLI::IsMember({"man", "bash", "zsh", "fish"}));
  command->callback([&app, kind, &result] {
    const CommandText program = command_tree(app);
    if (*kind == "man") fmt::print("{}", man_page(program, build_info().version));
    if (*kind == "bash") fmt::print("{}", bash_completion(program));
    if (*kind == "zsh") fmt::print("{}", zsh_completion(program));
    if (*kind == "fish") fmt::print("{}", fish_completion(program));
    result = ExitCode::kSuccess;
  });
}

}  // namespace wan::cli
