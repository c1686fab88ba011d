#include "cli/video_maker.h"

#include <csignal>
#include <cstdlib>
#include <new>

#include "analysis/kernels.h"
#include "base/log.h"
#include "base/output_file.h"
#include "base/terminal.h"
#include "cli/signals.h"
#include "pipeline/request_json.h"
#include "suite/kernel_stages.h"

namespace wan::cli {
namespace {

/// The longest kernels of each stage are listed down to this share of its time.
constexpr double kListedShare = 0.01;

std::string text_of(const KernelTrace& trace) {
  if (!trace.reason.empty()) log::warning("no kernels: " + trace.reason);
  if (!trace.missing.empty()) log::warning("kernels that are missing below: " + trace.missing);
  std::string text;
  for (const KernelView& view : kernel_views(trace)) {
    text += terminal_format("\n{}, {:.3f} s\n", view.stages, view.seconds);
    for (const KindShare& kind : view.kinds)
      text += terminal_format("  {:<12} {:>6.1f} % {:>9.3f} s {:>8}\n", kind.name, 100 * kind.share, kind.seconds,
                              kind.count);
    for (const KernelShare& kernel : view.kernels)
      if (kernel.share >= kListedShare)
        text += terminal_format("    {:>6.1f} % {:>9.3f} s {:>8}  {}\n", 100 * kernel.share, kernel.seconds,
                                kernel.count, kernel.name);
  }
  return text;
}

/// The card that a request is computed on, as the driver has it.
measure::Gpu* card_of(const measure::GpuSet& gpus, const Request& request) {
  const char* visible = std::getenv("CUDA_VISIBLE_DEVICES");
  return measure::find_gpu(gpus, request.device, visible != nullptr ? visible : "");
}

/// Equal for two requests that take the same time and memory, but for the length of their prompts.
std::string cost_key(Request request) {
  request.prompt.clear();
  request.negative_prompt.clear();
  request.seed = 0;
  request.output.clear();
  request.frames.clear();
  request.dump.clear();
  request.replay.clear();
  return request_json(request);
}

}  // namespace

VideoFailure failure_of(const Error& problem) {
  if (problem.kind() != ErrorKind::kInterrupted) return {problem.kind(), problem.what(), exit_code(problem.kind())};
  const ExitCode code = received_signal() == SIGTERM ? ExitCode::kTerminated : ExitCode::kInterrupted;
  return {problem.kind(), problem.what(), code};
}

VideoMaker::VideoMaker(Progress progress, Kernels kernels, const EngineOptions& options)
    : stop_(stop_on_signals()), gpus_(measure::open_gpus()), progress_(progress), kernels_(kernels), engine_(options) {}

Expectation VideoMaker::expect(const Request& request) {
  const std::string key = cost_key(request);
  const auto found = expected_.find(key);
  if (found != expected_.end()) return found->second;
  try {
    return expected_.emplace(key, engine_.expect(request)).first->second;
  } catch (const OutOfMemory& problem) {
    throw Error(ErrorKind::kUsage, problem.what());
  }
}

void VideoMaker::make(VideoResult& result) {
  measure::Gpu* card = card_of(gpus_, result.request);
  const std::string no_card = card != nullptr ? "" : gpus_.gpus.empty() ? gpus_.reason : "the run does not use a GPU";
  const auto expected = expected_.find(cost_key(result.request));
  WatchVideo watch(card, no_card, progress_,
                   expected != expected_.end() ? std::optional(expected->second.time) : std::nullopt);
  const auto kernels = kernels_ == Kernels::kWatched ? std::make_unique<suite::KernelStages>(watch) : nullptr;
  Observer* observer = kernels ? static_cast<Observer*>(kernels.get()) : &watch;
  try {
    result.outcome = engine_.generate(
        result.request,
        {observer, &stop_, watch.start_ns(), {}, previews_, [](const Error& problem) { leave_now(problem.what()); }});
  } catch (...) {
    watch.end();
    result.cost = watch.take_cost();
    throw;
  }
  watch.end();
  result.cost = watch.take_cost();
  if (kernels) kernel_text_ = text_of(kernels->take());
  if (!result.request.output.empty()) sync_to_disk(result.request.output);
}

void VideoMaker::try_to_make(VideoResult& result) {
  try {
    make(result);
  } catch (const Error& problem) {
    result.failure = failure_of(problem);
  } catch (const std::bad_alloc&) {
    result.failure = {ErrorKind::kOutOfMemory, "host memory ran out (std::bad_alloc)", ExitCode::kFailure};
  }
  if (result.failure) result.outcome.reset();
}

}  // namespace wan::cli
