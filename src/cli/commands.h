// The subcommands. Each file declares its options once, and sets the exit code when its command was chosen.
#pragma once

#include "base/error.h"

namespace CLI {
class App;
}

namespace wan::cli {

void add_generate_command(CLI::App& app, ExitCode& result);
void add_diff_command(CLI::App& app, ExitCode& result);
void add_inspect_command(CLI::App& app, ExitCode& result);

}  // namespace wan::cli
