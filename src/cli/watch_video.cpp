#include "cli/watch_video.h"

#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <utility>

#include <fmt/format.h>

#include "base/clock.h"
#include "base/terminal.h"
#include "cli/columns.h"
#include "cli/terminal.h"
#include "measure/proc.h"
#include "pipeline/plan.h"

namespace wan::cli {
namespace {

/// Between readings. The energy counter of a card moves every 100 ms; without one only the line is made of them.
constexpr std::chrono::milliseconds kWithCard{100}, kWithoutCard{500};

}  // namespace

WatchVideo::WatchVideo(measure::Gpu* gpu, std::string no_gpu, Progress progress, std::optional<ExpectedTime> expected)
    : progress_(progress),
      terminal_(progress == Progress::kShown && ::isatty(STDERR_FILENO) == 1),
      expected_(expected),
      gpu_(gpu),
      sampler_(gpu, std::move(no_gpu), terminal_ ? measure::kTimedRung : measure::CounterRung::kNone) {
  boundaries_.push_back(measure::read_own_and_reset_peak());
  reader_ = std::thread(&WatchVideo::read, this);
}

StageId WatchVideo::named(StageId stage) const {
  stage.name = stage_name(stage, decisions_ ? decisions_->task : std::string());
  return stage;
}

void WatchVideo::on_plan(const Plan& plan) {
  decisions_ = decisions_of(plan);
  on_card_ = plan.device != "cpu";
  const std::lock_guard lock(mutex_);
  say("memory_plan: " + plan.memory.text());
  say(fmt::format("size: {}x{}, seed: {}", plan.width, plan.height, plan.seed));
}

void WatchVideo::on_span(const StageSpan& span) {
  spans_.push_back(span);
  spans_.back().stage = named(span.stage);
  if (span.is_leaf() && span.stage.role == StageRole::kStepInference) step_ns_ = span.length_ns();
}

/// From the beginning of `stage` on: by the step before, else by what is expected; nothing where neither is known.
std::optional<double> WatchVideo::left_s(const StageId& stage, int steps) const {
  const double decoding_s = expected_ ? expected_->vae_s : 0;
  if (is_step(stage.role)) {
    if (step_ns_ == 0 && !expected_) return std::nullopt;
    const double step_s = step_ns_ > 0 ? seconds_from_ns(step_ns_).value : expected_->step_s;
    const int64_t later_clips = stage.clip >= 0 && decisions_ ? decisions_->clips - 1 - stage.clip : 0;
    return step_s * (static_cast<double>(steps - stage.index) + static_cast<double>(later_clips * steps)) + decoding_s;
  }
  if (!expected_ || stage.role > StageRole::kVaeDecoding) return std::nullopt;
  return stage.role == StageRole::kVaeDecoding ? decoding_s : expected_->denoise_s + decoding_s;
}

void WatchVideo::on_begin(const StageId& stage, int steps) {
  boundaries_.push_back(measure::read_own_and_reset_peak());
  const std::lock_guard lock(mutex_);
  state_.stage = named(stage).name;
  state_.step = stage.index;
  state_.steps = steps;
  state_.left_s = left_s(stage, steps);
  show();
}

void WatchVideo::on_memory(const MemoryMark& mark) {
  marks_.push_back(mark);
  marks_.back().stage = named(mark.stage);
}

void WatchVideo::say(const std::string& text) {
  if (progress_ == Progress::kSilent) return;
  fmt::print(stderr, "{}", terminal_ ? "\r\033[K" + wrapped(text, 0).text : terminal_text(text) + "\n");
}

void WatchVideo::show() {
  if (progress_ == Progress::kSilent) return;
  constexpr size_t kWithoutTerminal = 200;
  state_.elapsed_s = seconds_from_ns(monotonic_ns() - start_ns()).value;
  const std::string line = suite::progress_line(state_, terminal_ ? terminal_width() : kWithoutTerminal);
  fmt::print(stderr, "{}{}{}", terminal_ ? "\r\033[K" : "", line, terminal_ ? "" : "\n");
}

void WatchVideo::read() {
  const auto period = gpu_ != nullptr ? kWithCard : kWithoutCard;
  std::unique_lock lock(mutex_);
  do {
    lock.unlock();  // the engine must not wait for what is read; only this thread uses the sampler
    sampler_.sample(::getpid());
    lock.lock();
    if (!terminal_) continue;
    suite::show_readings(state_, sampler_.samples());
    show();
  } while (!stopping_.wait_for(lock, period, [this] { return stop_; }));
}

void WatchVideo::end() {
  if (!reader_.joinable()) return;
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
  }
  stopping_.notify_all();
  reader_.join();
  boundaries_.push_back(measure::read_own_and_reset_peak());
  if (gpu_ != nullptr) sampler_.sample(::getpid());  // energy up to the end
  if (terminal_) fmt::print(stderr, "\n");
}

VideoCost WatchVideo::take_cost() {
  measure::RunTimeline timeline;
  timeline.total = {start_ns(), boundaries_.back().at_ns};
  timeline.spans = std::move(spans_);
  timeline.from_process_start = false;
  timeline.span_source = on_card_ ? "device_event" : "clock";
  for (const MemoryMark& mark : marks_)
    // On the CPU the "device" is host memory, which the process's own size already shows.
    timeline.memory.push_back({mark.stage, on_card_ ? mark.device_bytes : std::map<std::string, uint64_t>{},
                               mark.host_bytes, on_card_ ? mark.device_peak_bytes : std::nullopt});
  timeline.boundaries = boundaries_;
  return {measure::account(timeline, sampler_.take()).stages, std::move(decisions_), on_card_};
}

}  // namespace wan::cli
