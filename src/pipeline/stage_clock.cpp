#include "pipeline/stage_clock.h"

#include <algorithm>

#include <fmt/format.h>

#include "base/error.h"

namespace wan {

StageClock::StageClock(Observer& observer, int steps, int64_t start_ns) : observer_(observer), steps_(steps) {
  current_.begin_ns = start_ns;
  observer_.on_begin(Stage::kModelInitialization, -1, steps_);
}

void StageClock::enter(Stage stage, int index) {
  require_op(backend_ != nullptr, "a stage ends only once there is a backend");
  const Event boundary = backend_->record(Queue::kCompute);
  current_.end = boundary;
  over_.push_back(std::move(current_));
  current_ = Leaf{};
  current_.stage = stage;
  current_.index = index;
  current_.begin = boundary;
  last_mark_ = boundary;
  observer_.on_begin(stage, index, steps_);
  poll();
}

void StageClock::finish() {
  current_.end = backend_->record(Queue::kCompute);
  over_.push_back(std::move(current_));
  current_ = Leaf{};
  backend_->synchronize();
  poll();
}

void StageClock::add_waits(std::vector<DeviceInterval> waits) {
  current_.waits.insert(current_.waits.end(), waits.begin(), waits.end());
}

void StageClock::add_hidden(const std::string& component, std::vector<DeviceInterval> work) {
  for (const DeviceInterval& piece : work)
    current_.parts.push_back({component, piece.begin, piece.end, piece.bytes, true, 0, 0});
}

void StageClock::add_hidden_host(const std::string& component, int64_t begin_ns, int64_t end_ns, uint64_t bytes) {
  current_.parts.push_back({component, {}, {}, bytes, true, begin_ns, end_ns});
}

void StageClock::mark(const std::string& component) {
  const Event now = backend_->record(Queue::kCompute);
  current_.parts.push_back({component, last_mark_, now, 0, false, 0, 0});
  last_mark_ = now;
}

bool StageClock::is_over(const Leaf& leaf) const {
  if (!backend_->ready(leaf.end)) return false;
  return std::all_of(leaf.parts.begin(), leaf.parts.end(),
                     [&](const Part& p) { return !p.end.valid() || backend_->ready(p.end); });
}

void StageClock::poll() {
  while (!over_.empty() && is_over(over_.front())) {
    report(over_.front());
    over_.pop_front();
  }
}

void StageClock::bound_run_ahead() {
  if (over_.size() < 2) return;
  backend_->synchronize(over_[over_.size() - 2].end);
  poll();
}

void StageClock::report(const Leaf& leaf) {
  int64_t begin = leaf.begin.valid() ? time_of(leaf.begin) : leaf.begin_ns;
  const int64_t end = std::max(begin, time_of(leaf.end));
  if (leaf.stage == Stage::kStepInference) {
    // Waits happen between layers; what they cost together is shown as the step's loading, ahead of its computing.
    int64_t waited = 0;
    for (const DeviceInterval& wait : leaf.waits)
      waited += std::max<int64_t>(0, time_of(wait.end) - time_of(wait.begin));
    const int64_t loaded = std::min(end, begin + waited);
    observer_.on_span({Stage::kStepLoading, leaf.index, "", false, begin, loaded, 0, 0});
    begin = loaded;
  }
  observer_.on_span({leaf.stage, leaf.index, "", false, begin, end, 0, leaf.flops});
  for (const Part& part : leaf.parts) {
    const int64_t from = part.begin.valid() ? time_of(part.begin) : part.begin_ns;
    const int64_t to = part.end.valid() ? time_of(part.end) : part.end_ns;
    observer_.on_span({leaf.stage, leaf.index, part.component, part.hidden, from, std::max(from, to), part.bytes, 0});
  }
}

std::string stage_name(Stage stage, int index, const std::string& task) {
  switch (stage) {
    case Stage::kModelInitialization: return "Model_Initialization";
    case Stage::kPreprocess:
      return task == "ti2v" ? "TI2V_Preprocess" : task == "t2v" ? "T2V_Preprocess" : "I2V_Preprocess";
    case Stage::kTextEncoding: return "T5_Encoding";
    case Stage::kVaeEncoding: return "VAE_Encoding";
    case Stage::kStepLoading: return fmt::format("Step_{}_Loading", index);
    case Stage::kStepInference: return fmt::format("Step_{}_Inference", index);
    case Stage::kVaeDecoding: return "VAE_Decoding";
    case Stage::kOutputEncoding: return "Output_Encoding";
  }
  return "?";
}

}  // namespace wan
