#include "cli/suite_options.h"

#include <algorithm>
#include <cstdlib>

#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include "backend/cuda_module.h"
#include "base/flags.h"
#include "base/log.h"
#include "cli/data_files.h"
#include "cli/numbers.h"
#include "cli/openmp_settings.h"
#include "model/variant.h"
#include "pipeline/request_words.h"

namespace wan::cli {

void add_suite_options(CLI::App& command, SuiteOptions& o) {
  command.add_option(flags::kSuite, o.suite, "suite file, JSON or TOML; default: the quick suite")->type_name("FILE");
  command
      .add_option(flags::kCheckpoint, o.plan.checkpoints,
                  "weights for every case; given again for another model, a case takes those of its own; default: the "
                  "suite's, else the small ones that come with the program")
      ->type_name("DIR")
      ->allow_extra_args(false);
  command
      .add_option(flags::kWeights, o.weights,
                  "checkpoint, or random: seeded values at the published sizes of each case's model")
      ->check(CLI::IsMember({"checkpoint", flags::kRandomWeights}))
      ->excludes(flags::kCheckpoint);
  command
      .add_option(flags::kModel, o.plan.model,
                  "of the cases that name none: what their checkpoint must hold, or the sizes "
                  "of random weights")
      ->check(CLI::IsMember(model_names()));
  command
      .add_option(flags::kDevice, o.plan.device,
                  "cpu, cuda or cuda:N; default: the suite's, else cuda:0 if there is one")
      ->type_name("DEVICE");
  command
      .add_option(flags::kGpus, o.plan.gpus,
                  "ranks that share a video, as `generate` takes them; default: the suite's, else one")
      ->type_name("N|LIST");
  command
      .add_option(flags::kParallel, o.plan.parallel,
                  "how they share it, as `generate` takes it; default: the suite's, else auto")
      ->type_name("auto|cfg=C,ulysses=U");
  command.add_option(flags::kPrecision, o.precision, "default: the suite's, else bf16 on cuda and fp32 on cpu")
      ->check(CLI::IsMember(enum_words<Precision>()));
  command
      .add_option_function<std::string>(
          flags::kGpuMemoryLimit,
          [&o](const std::string& text) { o.plan.gpu_memory_limit = memory_size_of(text, flags::kGpuMemoryLimit); },
          "GPU memory that the process of a case may take, the driver's context included: 12GiB, 16GB; a bare number "
          "is GiB; default: the suite's, else what the card has free")
      ->type_name("SIZE");
  command
      .add_option(flags::kTuningTable, o.plan.tuning_table,
                  "kernel choices made by `wanbench tune`; default: those that come with the program")
      ->type_name("FILE")
      ->check(CLI::ExistingFile);
}

bool takes_cards(const measure::GpuSet& gpus) {
  return !gpus.gpus.empty() && !cuda_module_file().empty() &&
         !measure::hides_all_cards(std::getenv("CUDA_VISIBLE_DEVICES"));
}

void understand(SuiteOptions& options, const measure::GpuSet& gpus) {
  suite::PlanOptions& plan = options.plan;
  if (options.suite.empty()) options.suite = default_suite();
  plan.precision = enum_value<Precision>(options.precision);
  plan.random_weights = options.weights == flags::kRandomWeights;
  if (plan.device == "cuda") plan.device = "cuda:0";
  plan.default_device = takes_cards(gpus) ? "cuda:0" : "cpu";
  plan.default_checkpoint = default_checkpoint();
}

void use_own_engine(suite::RunOptions& run) {
  const std::filesystem::path program = std::filesystem::read_symlink("/proc/self/exe");
  run.engine = {program.string(), "case"};
  run.program_sha256 = program_sha256();
  run.engine_environment = openmp_settings();
  const char* visible = std::getenv("CUDA_VISIBLE_DEVICES");
  run.cuda_visible_devices = visible == nullptr ? "" : visible;
}

ExitCode exit_code_of(const suite::SuiteOutcome& outcome, const std::filesystem::path& output) {
  if (outcome.stop_signal != 0) {
    log::warning(fmt::format("interrupted; go on with the same command and --resume (results so far are in {})",
                             output.string()));
    return static_cast<ExitCode>(128 + outcome.stop_signal);
  }
  const bool all_ok = std::all_of(outcome.records.begin(), outcome.records.end(),
                                  [](const RunRecord& record) { return record.status == RunStatus::kOk; });
  return all_ok ? ExitCode::kSuccess : ExitCode::kFailure;
}

}  // namespace wan::cli
