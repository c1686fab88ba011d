// `wanbench serve-worker`: the process that makes the videos of `serve`. Not for people: it speaks down a pipe.
#include <signal.h>
#include <unistd.h>

#include <memory>

#include <CLI/CLI.hpp>

#include "cli/commands.h"
#include "cli/engine_environment.h"
#include "cli/numbers.h"
#include "serve/worker_process.h"

namespace wan::cli {

void add_serve_worker_command(CLI::App& app, ExitCode& result) {
  auto process = std::make_shared<serve::WorkerProcess>();
  CLI::App* command = app.add_subcommand("serve-worker", "Makes the videos of `serve`");
  command->group("");  // not shown in --help
  add_number(*command, "--pipe-fd", process->pipe_descriptor, Bounds<int>{0, 1 << 20}, "descriptor to report to")
      ->required();
  command->add_option("--orders", process->orders, "FIFO that says what to make")->required();
  add_number(*command, "--cached-prompts", process->cached_prompts, Bounds<int64_t>{0, 10'000},
             "encoded prompts that are kept");
  process->environment = engine_environment();
  command->callback([process, &result] {
    result = serve::run_worker_process(*process);
    _exit(static_cast<int>(result));  // all has been said, and nothing is left to write
  });
}

}  // namespace wan::cli
