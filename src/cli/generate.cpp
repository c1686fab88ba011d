// `wanbench generate`: one video, with a progress line on a terminal and a table of the stages at the end.
#include <chrono>
#include <condition_variable>
#include <csignal>
#include <cstdlib>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include <unistd.h>

#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include "analysis/kernels.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/flags.h"
#include "base/log.h"
#include "base/output_file.h"
#include "base/terminal.h"
#include "cli/columns.h"
#include "cli/commands.h"
#include "cli/request_options.h"
#include "cli/signals.h"
#include "cli/terminal.h"
#include "measure/gpu.h"
#include "measure/sampler.h"
#include "pipeline/engine.h"
#include "pipeline/observer.h"
#include "pipeline/plan.h"
#include "suite/kernel_stages.h"
#include "suite/progress.h"

namespace wan::cli {
namespace {

struct GenerateOptions {
  Request request;
  bool discard = false;
  bool trace_kernels = false;
};

/// Shows where the run is, on a terminal with what the machine does, and keeps the leaves for the table.
class ShowStages final : public Observer {
 public:
  /// `gpu` may be nullptr.
  explicit ShowStages(measure::Gpu* gpu)
      : terminal_(isatty(STDERR_FILENO) == 1), start_ns_(monotonic_ns()), sampler_(gpu, "", measure::kTimedRung) {
    if (terminal_) reader_ = std::thread(&ShowStages::read, this);
  }
  ~ShowStages() override { end_line(); }
  ShowStages(const ShowStages&) = delete;
  ShowStages& operator=(const ShowStages&) = delete;

  void on_span(const StageSpan& span) override {
    if (!span.is_leaf()) return;
    leaves_.push_back(span);
    if (span.stage.role == StageRole::kStepInference) step_ns_ = span.length_ns();
  }
  void on_begin(const StageId& stage, int steps) override {
    const std::lock_guard lock(mutex_);
    state_.stage = stage_name(stage, task_);
    state_.step = stage.index;
    state_.steps = steps;
    state_.left_s.reset();
    if (stage.index >= 0 && step_ns_ > 0) state_.left_s = seconds_from_ns(step_ns_).value * (steps - stage.index);
    show();
  }
  void on_memory(const MemoryMark&) override {}
  void on_clock(const ClockDrift&) override {}
  void on_plan(const Plan& plan) override {
    const std::lock_guard lock(mutex_);
    task_ = plan.variant->task;
    say("memory_plan: " + plan.memory.text());
    say(fmt::format("size: {}x{}", plan.width, plan.height));
  }
  void on_fact(const std::string&, const std::string&) override {}

  void print_table(const Outcome& outcome) const {
    int64_t total = 0;
    print("{:<24} {:>10}\n", "stage", "seconds");
    for (const StageSpan& leaf : leaves_) {
      const int64_t ns = leaf.length_ns();
      total += ns;
      print("{:<24} {:>10.3f}\n", stage_name(leaf.stage, outcome.task), seconds_from_ns(ns).value);
    }
    print("{:<24} {:>10.3f}\n", "sum of stages", seconds_from_ns(total).value);
  }
  /// The line is final from here on. May be called twice.
  void end_line() {
    if (!reader_.joinable()) return;
    {
      const std::lock_guard lock(mutex_);
      stop_ = true;
    }
    stopping_.notify_all();
    reader_.join();
    fmt::print(stderr, "\n");
  }

 private:
  void say(const std::string& text) {
    fmt::print(stderr, "{}", terminal_ ? "\r\033[K" + wrapped(text, 0).text : terminal_text(text) + "\n");
  }
  void show() {
    constexpr size_t kWithoutTerminal = 200;
    state_.elapsed_s = seconds_from_ns(monotonic_ns() - start_ns_).value;
    const std::string line = suite::progress_line(state_, terminal_ ? terminal_width() : kWithoutTerminal);
    fmt::print(stderr, "{}{}{}", terminal_ ? "\r\033[K" : "", line, terminal_ ? "" : "\n");
  }

  void read() {
    constexpr std::chrono::milliseconds kPeriod{500};
    std::unique_lock lock(mutex_);
    while (!stopping_.wait_for(lock, kPeriod, [this] { return stop_; })) {
      lock.unlock();  // the engine must not wait for what is read; only this thread uses the sampler
      sampler_.sample(::getpid());
      lock.lock();
      suite::show_readings(state_, sampler_.samples());
      show();
    }
  }

  bool terminal_;
  int64_t start_ns_;
  int64_t step_ns_ = 0;
  std::vector<StageSpan> leaves_;
  std::mutex mutex_;  // over what the line is made of
  std::condition_variable stopping_;
  bool stop_ = false;
  suite::ProgressState state_;
  std::string task_;  // of the fact; names the preprocessing stage
  measure::Sampler sampler_;
  std::thread reader_;
};

/// The longest kernels of each stage are listed down to this share of its time.
constexpr double kListedShare = 0.01;

void print_kernels(const KernelTrace& trace) {
  if (!trace.reason.empty()) log::warning("no kernels: " + trace.reason);
  if (!trace.missing.empty()) log::warning("kernels that are missing below: " + trace.missing);
  for (const KernelView& view : kernel_views(trace)) {
    print("\n{}, {:.3f} s\n", view.stages, view.seconds);
    for (const KindShare& kind : view.kinds)
      print("  {:<12} {:>6.1f} % {:>9.3f} s {:>8}\n", kind.name, 100 * kind.share, kind.seconds, kind.count);
    for (const KernelShare& kernel : view.kernels)
      if (kernel.share >= kListedShare)
        print("    {:>6.1f} % {:>9.3f} s {:>8}  {}\n", 100 * kernel.share, kernel.seconds, kernel.count, kernel.name);
  }
}

ExitCode interrupted() { return received_signal() == SIGTERM ? ExitCode::kTerminated : ExitCode::kInterrupted; }

/// Everything that is written, seen before any work. An input has its name for itself, too.
void require_outputs(const Request& request) {
  require_distinct({{flags::kOutput, request.output},
                    {"--dump", request.dump},
                    {"--frames", request.frames},
                    {"--image", request.image},
                    {flags::kTuningTable, request.tuning_table},
                    {flags::kCheckpoint, request.checkpoint}});
  require(request.frames.empty() || !std::filesystem::exists(request.frames) ||
              std::filesystem::is_directory(request.frames),
          fmt::format("{} is no folder: name one for --frames", request.frames.string()), ErrorKind::kUsage);
  for (const auto& file : {request.output, request.dump}) {
    if (file.empty()) continue;
    require_output(file);
    require_writable(file.parent_path(), 0);
  }
}

ExitCode run_generate(const GenerateOptions& options) {
  const Request request = understand(options.request);
  require(options.discard || !request.output.empty() || !request.frames.empty() || !request.dump.empty(),
          "nothing to write: name a video with --output FILE.mp4 or a folder with --frames, or say --discard",
          ErrorKind::kUsage);
  require_outputs(request);
  const StopSource& stop = stop_on_signals();
  const measure::GpuSet gpus = measure::open_gpus();
  const char* visible = std::getenv("CUDA_VISIBLE_DEVICES");
  ShowStages stages(measure::find_gpu(gpus, request.device, visible != nullptr ? visible : ""));
  const auto kernels = options.trace_kernels ? std::make_unique<suite::KernelStages>(stages) : nullptr;
  try {
    const Outcome outcome = generate(request, {kernels ? static_cast<Observer*>(kernels.get()) : &stages, &stop});
    stages.end_line();
    stages.print_table(outcome);
    if (kernels) print_kernels(kernels->take());
    print("{}x{}, {} frames at {} fps\n", outcome.width, outcome.height, outcome.num_frames, outcome.fps);
    print("frames' sha256 {}\n", outcome.video_sha256);
    if (!request.output.empty()) sync_to_disk(request.output);
    if (!request.output.empty()) print("wrote {}\n", request.output.string());
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
  add_request_options(*command, options->request, VideoFile::kYes);
  command->add_flag("--discard", options->discard, "compute and hash the frames, write none");
  command->add_flag("--trace-kernels", options->trace_kernels,
                    "watch every kernel (CUPTI) and say where the time of each stage goes; slows the run");
  command->callback([options, &result] { result = run_generate(*options); });
}

}  // namespace wan::cli
