#include "cli/commands.h"

#include <memory>

#include <CLI/CLI.hpp>

#include "cli/help_format.h"

namespace wan::cli {

void add_commands(CLI::App& app, ExitCode& result) {
  app.formatter(std::make_shared<HelpFormatter>());  // commands take over that of the program as they are added
  app.require_subcommand(1);
  add_generate_command(app, result);
  add_repeat_command(app, result);
  add_tune_command(app, result);
  add_calibrate_cache_command(app, result);
  add_diff_command(app, result);
  add_fidelity_command(app, result);
  add_inspect_command(app, result);
  add_plan_command(app, result);
  add_compare_command(app, result);
  add_history_command(app, result);
  add_export_command(app, result);
  add_import_command(app, result);
  add_vbench_command(app, result);
  add_run_command(app, result);
  add_ablate_command(app, result);
  add_suite_command(app, result);
  add_serve_command(app, result);
  add_serve_worker_command(app, result);
  add_load_command(app, result);
  add_case_command(app, result);
  add_report_command(app, result);
  add_doctor_command(app, result);
  add_selftest_command(app, result);
  add_make_checkpoint_command(app, result);
  add_pack_command(app, result);
  add_manual_command(app, result);
}

}  // namespace wan::cli
