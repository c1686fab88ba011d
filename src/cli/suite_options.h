// The options that say which cases of a suite are made with which weights on which device, shared by the commands that
// run some.
#pragma once

#include <filesystem>
#include <string>

#include "base/error.h"
#include "measure/gpu.h"
#include "suite/plan.h"
#include "suite/runner.h"

namespace CLI {
class App;
}

namespace wan::cli {

struct SuiteOptions {
  std::filesystem::path suite;
  suite::PlanOptions plan;
  std::string precision, weights;
};

/// Declares them on `command`: --suite to --tuning-table. `options` must live until the command has run.
void add_suite_options(CLI::App& command, SuiteOptions& options);

/// Whether a run is made on a card where nobody says on what.
bool takes_cards(const measure::GpuSet& gpus);

/// Completes what the words of the command line say: the default suite, device and checkpoint.
void understand(SuiteOptions& options, const measure::GpuSet& gpus);

/// Has runs made by this program itself, and their records say which build of it that is.
void use_own_engine(suite::RunOptions& run);

/// Of a suite whose records are in `output`: success where all that was run ended well. Where a signal ended it, says
/// how to go on.
ExitCode exit_code_of(const suite::SuiteOutcome& outcome, const std::filesystem::path& output);

}  // namespace wan::cli
