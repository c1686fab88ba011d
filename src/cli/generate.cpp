// `wanbench generate`: one video, with a progress line on a terminal and a table of the stages at the end.
#include <csignal>
#include <memory>
#include <vector>

#include <unistd.h>

#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include "analysis/kernels.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "cli/commands.h"
#include "cli/request_options.h"
#include "cli/signals.h"
#include "pipeline/engine.h"
#include "pipeline/observer.h"
#include "suite/kernel_stages.h"

namespace wan::cli {
namespace {

struct GenerateOptions {
  RequestOptions request;
  bool discard = false;
  bool trace_kernels = false;
};

/// Shows where the run is, and keeps the leaves for the table.
class ShowStages final : public Observer {
 public:
  ShowStages() : terminal_(isatty(STDERR_FILENO) == 1), start_ns_(monotonic_ns()) {}

  void on_span(const StageSpan& span) override {
    if (!span.component.empty() || span.hidden) return;
    leaves_.push_back(span);
    if (span.stage == Stage::kStepInference) step_ns_ = span.end_ns - span.begin_ns;
  }
  void on_begin(Stage stage, int index, int steps) override {
    std::string line = stage_name(stage, index, "ti2v");
    if (stage == Stage::kStepInference) {
      line = fmt::format("step {}/{}", index + 1, steps);
      if (step_ns_ > 0)
        line += fmt::format(", {:.1f} s/step, about {:.0f} s of denoising left", seconds_from_ns(step_ns_).value,
                            seconds_from_ns(step_ns_).value * (steps - index));
    }
    show(line);
  }
  void on_memory(const MemoryMark&) override {}
  void on_fact(const std::string& key, const std::string& value) override {
    if (key == "memory_plan" || key == "size") show(fmt::format("{}: {}", key, value));
  }

  void print_table(const Outcome& outcome) const {
    int64_t total = 0;
    fmt::print("{:<24} {:>10}\n", "stage", "seconds");
    for (const StageSpan& leaf : leaves_) {
      const int64_t ns = leaf.end_ns - leaf.begin_ns;
      total += ns;
      fmt::print("{:<24} {:>10.3f}\n", stage_name(leaf.stage, leaf.index, outcome.task), seconds_from_ns(ns).value);
    }
    fmt::print("{:<24} {:>10.3f}\n", "sum of stages", seconds_from_ns(total).value);
  }
  void end_line() const {
    if (terminal_) fmt::print(stderr, "\n");
  }

 private:
  void show(const std::string& line) {
    const double elapsed = seconds_from_ns(monotonic_ns() - start_ns_).value;
    if (terminal_)
      fmt::print(stderr, "\r\033[K[{:6.1f} s] {:.66}", elapsed, line);
    else
      fmt::print(stderr, "[{:6.1f} s] {}\n", elapsed, line);
  }

  bool terminal_;
  int64_t start_ns_;
  int64_t step_ns_ = 0;
  std::vector<StageSpan> leaves_;
};

/// The longest kernels of each stage are listed down to this share of its time.
constexpr double kListedShare = 0.01;

void print_kernels(const KernelTrace& trace) {
  if (!trace.reason.empty()) log::warning("no kernels: " + trace.reason);
  if (trace.lost > 0) log::warning(fmt::format("{} kernels are missing below", trace.lost));
  for (const KernelView& view : kernel_views(trace)) {
    fmt::print("\n{}, {:.3f} s\n", view.stages, view.seconds);
    for (const KindShare& kind : view.kinds)
      fmt::print("  {:<12} {:>6.1f} % {:>9.3f} s {:>8}\n", kind.name, 100 * kind.share, kind.seconds, kind.count);
    for (const KernelShare& kernel : view.kernels)
      if (kernel.share >= kListedShare)
        fmt::print("    {:>6.1f} % {:>9.3f} s {:>8}  {}\n", 100 * kernel.share, kernel.seconds, kernel.count,
                   kernel.name);
  }
}

ExitCode interrupted() { return received_signal() == SIGTERM ? ExitCode::kTerminated : ExitCode::kInterrupted; }

ExitCode run_generate(const GenerateOptions& options) {
  const Request request = understand(options.request);
  require(options.discard || !request.output.empty() || !request.frames.empty() || !request.dump.empty(),
          "nothing to write: name a video with --output FILE.mp4 or a folder with --frames, or say --discard",
          ErrorKind::kUsage);
  for (const auto& file : {request.output, request.dump})
    if (!file.empty()) require_writable(file.parent_path(), 0);
  stop_on_signals();
  ShowStages stages;
  const auto kernels = options.trace_kernels ? std::make_unique<suite::KernelStages>(stages) : nullptr;
  try {
    const Outcome outcome = generate(request, kernels ? static_cast<Observer&>(*kernels) : stages);
    stages.end_line();
    stages.print_table(outcome);
    if (kernels) print_kernels(kernels->take());
    fmt::print("{}x{}, {} frames at {} fps\n", outcome.width, outcome.height, outcome.num_frames, outcome.fps);
    fmt::print("frames' sha256 {}\n", outcome.video_sha256);
    if (!request.output.empty()) fmt::print("wrote {}\n", request.output.string());
    return ExitCode::kSuccess;
  } catch (const Error& problem) {
    stages.end_line();
    if (problem.kind() != ErrorKind::kInterrupted) throw;
    log::warning(problem.what());
    return interrupted();
  }
}

}  // namespace

void add_generate_command(CLI::App& app, ExitCode& result) {
  auto options = std::make_shared<GenerateOptions>();
  CLI::App* command = app.add_subcommand("generate", "Generate one video");
  add_request_options(*command, options->request);
  command->add_option("--output", options->request.request.output, "video to write")->type_name("FILE.mp4");
  command->add_option("--frames", options->request.request.frames, "folder for the frames as PNG")->type_name("DIR");
  command->add_flag("--discard", options->discard, "compute and hash the frames, write none");
  command->add_flag("--trace-kernels", options->trace_kernels,
                    "watch every kernel (CUPTI) and say where the time of each stage goes; slows the run");
  command->callback([options, &result] { result = run_generate(*options); });
}

}  // namespace wan::cli
