#include "pipeline/stage_clock.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "base/error.h"
#include "model/variant.h"

namespace wan {

StageClock::StageClock(Observer& observer, int steps, int64_t start_ns) : observer_(observer), steps_(steps) {
  current_.begin_ns = start_ns;
  observer_.on_begin(current_.stage, steps_);
}

void StageClock::enter(StageId stage) {
  require_op(backend_ != nullptr, "a stage ends only once there is a backend");
  const Event boundary = backend_->record(Queue::kCompute);
  current_.end = boundary;
  over_.push_back(std::move(current_));
  current_ = Leaf{};
  current_.stage = std::move(stage);
  current_.begin = boundary;
  last_mark_ = boundary;
  observer_.on_begin(current_.stage, steps_);
  poll();
}

void StageClock::finish() {
  current_.end = backend_->record(Queue::kCompute);
  over_.push_back(std::move(current_));
  current_ = Leaf{};
  backend_->synchronize();
  poll();
  if (const auto drift = backend_->retie_clocks()) observer_.on_clock(*drift);
}

void StageClock::add_waits(std::vector<DeviceInterval> waits) {
  current_.waits.insert(current_.waits.end(), waits.begin(), waits.end());
}

void StageClock::add_copies(const std::vector<DeviceInterval>& copies) {
  current_.copies.insert(current_.copies.end(), copies.begin(), copies.end());
}

void StageClock::mark(const std::string& component) {
  const Event now = backend_->record(Queue::kCompute);
  current_.parts.push_back({component, last_mark_, now});
  last_mark_ = now;
}

bool StageClock::is_over(const Leaf& leaf) const {
  if (!backend_->ready(leaf.end)) return false;
  return std::all_of(leaf.copies.begin(), leaf.copies.end(),
                     [&](const DeviceInterval& copy) { return backend_->ready(copy.end); }) &&
         std::all_of(leaf.parts.begin(), leaf.parts.end(), [&](const Part& part) { return backend_->ready(part.end); });
}

void StageClock::poll() {
  while (!over_.empty() && is_over(over_.front())) {
    report(over_.front());
    over_.pop_front();
  }
}

void StageClock::await_mark() {
  backend_->synchronize(last_mark_);
  poll();
}

std::vector<TimeSpan> StageClock::times_of(const std::vector<DeviceInterval>& intervals) const {
  std::vector<TimeSpan> times;
  for (const DeviceInterval& interval : intervals) times.push_back({time_of(interval.begin), time_of(interval.end)});
  return times;
}

void StageClock::report(const Leaf& leaf) {
  int64_t begin = leaf.begin.valid() ? time_of(leaf.begin) : leaf.begin_ns;
  const int64_t end = std::max(begin, time_of(leaf.end));
  const bool on_gpu = leaf.begin.valid() && backend_->info().kind != "cpu";
  const std::vector<TimeSpan> waits = times_of(leaf.waits);
  int64_t waited = 0;
  for (const TimeSpan& wait : waits) waited += std::max<int64_t>(0, wait.end_ns - wait.begin_ns);
  waited = std::min(waited, end - begin);
  const bool step = leaf.stage.role == StageRole::kStepInference;
  if (step) {
    // Waits happen between layers; what they cost together is shown as the step's loading, ahead of its computing.
    StageSpan loading{leaf.stage, "", false, begin, begin + waited};
    loading.stage.role = StageRole::kStepLoading;
    if (on_gpu) loading.gpu_ns = loading.exposed_copy_ns = waited;
    observer_.on_span(loading);
    begin += waited;
    waited = 0;
  }
  StageSpan span{leaf.stage, "", false, begin, end, 0, leaf.flops};
  if (on_gpu) {
    span.gpu_ns = end - begin;
    span.exposed_copy_ns = waited;
    span.hidden_copy_ns = hidden_copy_ns(times_of(leaf.copies), waits);
  }
  observer_.on_span(span);
  report_parts(leaf, step ? waits : std::vector<TimeSpan>{});
}

/// `waits_ahead`: of a step, whose waits are shown ahead of it; its parts move back by those that follow, so that they
/// lie within the step and last as long as they computed.
void StageClock::report_parts(const Leaf& leaf, const std::vector<TimeSpan>& waits_ahead) {
  const auto moved = [&](int64_t at) {
    int64_t later = 0;
    for (const TimeSpan& wait : waits_ahead) later += std::max<int64_t>(0, wait.end_ns - std::max(wait.begin_ns, at));
    return at + later;
  };
  for (const DeviceInterval& copy : leaf.copies) {
    const int64_t from = time_of(copy.begin);
    const int64_t to = std::max(from, time_of(copy.end));
    observer_.on_span({leaf.stage, "h2d", true, from, to, copy.bytes});
  }
  for (const Part& part : leaf.parts) {
    const int64_t from = moved(time_of(part.begin));
    observer_.on_span({leaf.stage, part.component, false, from, std::max(from, moved(time_of(part.end)))});
  }
}

std::string stage_name(const StageId& stage, std::string_view task) {
  const Variant* variant = find_task(task);
  return published_name(stage.role, stage.index, variant != nullptr ? variant->abbreviation : "Video", stage.clip);
}

}  // namespace wan
