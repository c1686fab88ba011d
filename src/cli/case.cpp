// `wanbench case`: the process in which `run` has one case made. Not for people: it speaks down a pipe.
#include <unistd.h>

#include <memory>

#include <CLI/CLI.hpp>

#include "analysis/overhead.h"
#include "base/flags.h"
#include "cli/commands.h"
#include "cli/engine_environment.h"
#include "cli/numbers.h"
#include "cli/signals.h"
#include "suite/engine_process.h"

namespace wan::cli {

void add_case_command(CLI::App& app, ExitCode& result) {
  auto process = std::make_shared<suite::EngineProcess>();
  CLI::App* command = app.add_subcommand("case", "Makes one case for `run`");
  command->group("");  // not shown in --help
  add_number(*command, "--pipe-fd", process->pipe_descriptor, Bounds<int>{0, 1 << 20}, "descriptor to report to")
      ->required();
  add_number(*command, "--start-ns", process->start_ns, Bounds<int64_t>{0}, "CLOCK_MONOTONIC at the start")->required();
  add_number(*command, "--videos", process->videos, Bounds<int64_t>{1, 1000}, "how many, one after another");
  add_number(*command, flags::kWarmUpSteps, process->warm_up_steps, Bounds<int>{0, 1000},
             "of the first video, where it has more; 0: as many as the others");
  command->add_option("--request", process->request, "the request as JSON")->required();
  command->add_option("--fidelity", process->fidelity, "what to find out of its fidelity, as JSON");
  command->add_option("--keep", process->keep, "where the frames and the last latent stay, a path without ending");
  command->add_flag_callback(
      "--trace-kernels", [process] { process->kernels = suite::WatchKernels::kYes; }, "watch each kernel");
  command->add_flag_callback(
      "--trace-all", [process] { process->kernels = suite::WatchKernels::kAll; }, "say each kernel of the whole run");
  command->add_flag_callback(
      "--sample-counters", [process] { process->counters = suite::SampleCounters::kYes; },
      "read the card's hardware counters by CUPTI");
  add_number(*command, "--watch-in-turns", process->steps_in_block, Bounds<int64_t>{0, 1000},
             "steps between switching the monitor on and off; 0: it stays on");
  process->is_watched = &monitored_block;
  process->environment = engine_environment();
  command->callback([process, &result] {
    process->stop = &stop_on_signals({.tells = false});  // `run` does
    result = suite::run_engine_process(*process);
    _exit(static_cast<int>(result));  // all has been said, and nothing is left to write
  });
}

}  // namespace wan::cli
