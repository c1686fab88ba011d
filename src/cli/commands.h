// The subcommands. Each file declares its options once, and sets the exit code when its command was chosen.
#pragma once

#include "base/error.h"

namespace CLI {
class App;
}

namespace wan::cli {

/// All of them, in the order of the help, and how the help is laid out.
void add_commands(CLI::App& app, ExitCode& result);

void add_tune_command(CLI::App& app, ExitCode& result);
void add_calibrate_cache_command(CLI::App& app, ExitCode& result);
void add_generate_command(CLI::App& app, ExitCode& result);
void add_repeat_command(CLI::App& app, ExitCode& result);
void add_diff_command(CLI::App& app, ExitCode& result);
void add_fidelity_command(CLI::App& app, ExitCode& result);
void add_inspect_command(CLI::App& app, ExitCode& result);
void add_plan_command(CLI::App& app, ExitCode& result);
void add_compare_command(CLI::App& app, ExitCode& result);
void add_history_command(CLI::App& app, ExitCode& result);
void add_export_command(CLI::App& app, ExitCode& result);
void add_import_command(CLI::App& app, ExitCode& result);
void add_vbench_command(CLI::App& app, ExitCode& result);
void add_run_command(CLI::App& app, ExitCode& result);
void add_ablate_command(CLI::App& app, ExitCode& result);
void add_suite_command(CLI::App& app, ExitCode& result);
void add_serve_command(CLI::App& app, ExitCode& result);
void add_serve_worker_command(CLI::App& app, ExitCode& result);
void add_load_command(CLI::App& app, ExitCode& result);
void add_case_command(CLI::App& app, ExitCode& result);
void add_report_command(CLI::App& app, ExitCode& result);
void add_selftest_command(CLI::App& app, ExitCode& result);
void add_doctor_command(CLI::App& app, ExitCode& result);
void add_make_checkpoint_command(CLI::App& app, ExitCode& result);
void add_pack_command(CLI::App& app, ExitCode& result);
void add_manual_command(CLI::App& app, ExitCode& result);

}  // namespace wan::cli
