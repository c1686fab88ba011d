// `wanbench selftest`: what the instrument does to what it measures.
#include <unistd.h>

#include <cstdlib>
#include <memory>

#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include "analysis/overhead.h"
#include "analysis/statistics.h"
#include "backend/backend.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/output_file.h"
#include "base/terminal.h"
#include "cli/commands.h"
#include "cli/data_files.h"
#include "cli/numbers.h"
#include "cli/request_options.h"
#include "measure/counters.h"
#include "measure/machine.h"
#include "suite/overhead_run.h"
#include "suite/record_builder.h"

namespace wan::cli {
namespace {

constexpr size_t kLeastPairs = 5;  // fewer give an interval that says nothing

struct OverheadCommand {
  Request request;
  int64_t pairs = 10, steps_in_block = 6;
  double limit_percent = 0.5;
  std::string counters = "auto";
  std::filesystem::path output;
};

Request understood(const OverheadCommand& options, const measure::GpuSet& gpus) {
  Request request = understand(options.request);
  if (!request.names_weights() && !request.random_weights) request.checkpoint = default_checkpoint();
  if (request.device.empty()) request.device = !gpus.gpus.empty() && !why_cuda_is_unusable() ? "cuda:0" : "cpu";
  if (request.prompt.empty()) request.prompt = "a lighthouse at dusk";
  request.steps = 2 * options.pairs * options.steps_in_block;
  return request;
}

/// The size is the video's: of the request it may be 0, the model's default.
std::string work_of(const Request& request, const std::optional<suite::Finished>& video) {
  const std::string weights = request.random_weights ? request.model + " random weights"
                                                     : "checkpoint " + request.weights().title().filename().string();
  if (!video) return weights;
  return fmt::format("{}, {}x{}, {} frames", weights, video->width, video->height, video->num_frames);
}

std::vector<MonitoredStep> in_blocks(const std::vector<double>& step_s, int64_t steps_in_block) {
  std::vector<MonitoredStep> steps;
  for (size_t i = 0; i < step_s.size(); ++i) {
    const auto index = static_cast<int64_t>(i);
    const int64_t block = index / steps_in_block;
    steps.push_back({block, index % steps_in_block, monitored_block(block), step_s[i]});
  }
  return steps;
}

OverheadResult judged(const OverheadCommand& options, const suite::OverheadRun& run, measure::Gpu* gpu,
                      const Request& request) {
  const std::vector<MonitoredStep> steps = in_blocks(run.step_s, options.steps_in_block);
  OverheadResult result;
  result.pairs = overhead_pairs(steps, options.steps_in_block);
  const Estimate percent = overhead_percent(result.pairs);
  require(result.pairs.size() >= kLeastPairs && percent.interval.has_value(),
          fmt::format("the run told {} whole pairs of blocks, an interval needs {}", result.pairs.size(), kLeastPairs),
          ErrorKind::kRuntime);
  std::vector<double> off;
  for (const OverheadPair& pair : result.pairs) off.push_back(pair.off_s);
  const measure::Samples& samples = run.watched.samples;
  const measure::Activity activity = measure::activity_of(samples);
  const SystemInfo system = measure::describe_machine();
  result.created_utc = utc_now();
  result.tool = suite::describe_tool(program_sha256());
  result.device = gpu != nullptr ? gpu->facts().name : system.cpu_model;
  result.gpu_uuid = gpu != nullptr ? gpu->facts().uuid : "";
  result.counters = activity.source;
  result.counters_not_read = activity.reason;
  result.work = work_of(request, run.watched.videos.back().finished);
  result.period_ms = static_cast<double>(samples.period_ns) * 1e-6;
  result.steps_in_block = options.steps_in_block;
  result.step_s = median(off);
  result.percent = percent.median;
  result.low_percent = percent.interval->low;
  result.high_percent = percent.interval->high;
  result.limit_percent = options.limit_percent;
  double watched_s = 0;
  for (const MonitoredStep& step : steps) watched_s += step.monitored ? step.seconds : 0;
  result.sampler_core_percent =
      watched_s > 0 ? 100 * static_cast<double>(samples.sampler_cpu_ns) * 1e-9 / watched_s : 0;
  return result;
}

void show(const OverheadResult& result) {
  print("{}, {}\n", result.device, result.work);
  print("counters: {}{}\n", result.counters.empty() ? "none" : result.counters,
        result.counters_not_read.empty() ? "" : " (" + result.counters_not_read + ")");
  print("{:>6} {:>14} {:>14} {:>10}\n", "pair", "off, s/step", "on, s/step", "on/off-1");
  for (size_t i = 0; i < result.pairs.size(); ++i) {
    const OverheadPair& pair = result.pairs[i];
    print("{:>6} {:>14.5f} {:>14.5f} {:>8.3f} %\n", i + 1, pair.off_s, pair.on_s, 100 * (pair.on_s / pair.off_s - 1));
  }
  print("watching costs {:.3f} % of a step of {:.4f} s, 95 % interval [{:.3f}, {:.3f}], over {} pairs\n",
        result.percent, result.step_s, result.low_percent, result.high_percent, result.pairs.size());
  print("the watching process used {:.1f} % of one core\n", result.sampler_core_percent);
}

ExitCode verdict(const OverheadResult& result) {
  if (result.high_percent <= result.limit_percent) {
    print("PASS: the interval is within {} %\n", result.limit_percent);
    return ExitCode::kSuccess;
  }
  if (result.low_percent > result.limit_percent) {
    print("FAIL: the interval is beyond {} %\n", result.limit_percent);
    return ExitCode::kComparison;
  }
  print("INCONCLUSIVE: the interval reaches across {} %: more --pairs, or longer steps\n", result.limit_percent);
  return ExitCode::kInconclusive;
}

ExitCode run_overhead(const OverheadCommand& options) {
  const measure::GpuSet gpus = measure::open_gpus();
  const Request request = understood(options, gpus);
  if (!options.output.empty()) {
    require_output(options.output, Devices::kWriteThrough);
    require_writable(options.output.parent_path(), 0);
  }
  const char* visible = std::getenv("CUDA_VISIBLE_DEVICES");
  measure::Gpu* gpu = measure::find_gpu(gpus, request.device, visible != nullptr ? visible : "");
  suite::OverheadOptions run;
  run.request = request;
  run.engine = {std::filesystem::read_symlink("/proc/self/exe").string(), "case"};
  run.steps_in_block = options.steps_in_block;
  run.counters = measure::parse_counters(options.counters);
  const bool terminal = isatty(STDERR_FILENO) == 1;
  const suite::OverheadRun done = suite::run_in_turns(
      run, gpu, gpu == nullptr ? (gpus.gpus.empty() ? gpus.reason : "the run does not use a GPU") : "",
      [terminal](int step, int steps) {
        if (terminal) fmt::print(stderr, "\r\033[Kstep {}/{}", step + 1, steps);
      });
  if (terminal) fmt::print(stderr, "\r\033[K");
  if (done.ending.status == RunStatus::kInterrupted) return static_cast<ExitCode>(128 + done.watched.stop_signal);
  require(done.ending.status == RunStatus::kOk,
          fmt::format("the run ended as {}: {}", to_string(done.ending.status),
                      done.ending.error ? done.ending.error->message : ""),
          ErrorKind::kRuntime);
  const OverheadResult result = judged(options, done, gpu, request);
  show(result);
  if (!options.output.empty()) write_atomically(options.output, to_json(result));
  return verdict(result);
}

}  // namespace

void add_selftest_command(CLI::App& app, ExitCode& result) {
  auto options = std::make_shared<OverheadCommand>();
  CLI::App* selftest = app.add_subcommand("selftest", "What the instrument does to what it measures");
  selftest->require_subcommand(1);
  CLI::App* command = selftest->add_subcommand(
      "overhead",
      "One video with the monitor on and off in turn: what watching costs. Exit code 0 within the limit, 3 beyond it, "
      "4 when the interval reaches across it");
  add_request_options(*command, options->request, VideoFile::kNo);
  add_number(*command, "--pairs", options->pairs, Bounds<int64_t>{kLeastPairs, 100},
             "blocks with the monitor on, and as many with it off");
  add_number(*command, "--block", options->steps_in_block, Bounds<int64_t>{4, 100},
             "steps of a block; its first two and its last do not count");
  command->add_option("--counters", options->counters, "as for `run`")
      ->check(CLI::IsMember(measure::counter_names()))
      ->capture_default_str();
  add_number(*command, "--limit", options->limit_percent, Bounds<double>{0.001, 1e9}, "percent of a step's time");
  command->add_option("--output", options->output, "file for the result as JSON; `run --overhead` quotes it")
      ->type_name("FILE");
  command->callback([options, &result] { result = run_overhead(*options); });
}

}  // namespace wan::cli
