#include "suite/monitor_toggle.h"

#include <utility>

namespace wan::suite {

MonitorToggle::MonitorToggle(PipeObserver& pipe, int64_t steps_in_block, bool (*is_on)(int64_t block),
                             std::string device)
    : pipe_(pipe), steps_in_block_(steps_in_block), is_on_(is_on), device_(std::move(device)) {
  turn_on();
}

MonitorToggle::~MonitorToggle() = default;

void MonitorToggle::turn_on() {
  if (std::exchange(on_, true)) return;
  pipe_.send(Monitor{true});
  if (!device_.empty()) counters_ = std::make_unique<CounterStream>(pipe_, device_);
}

void MonitorToggle::turn_off() {
  if (!std::exchange(on_, false)) return;
  counters_.reset();
  pipe_.send(Monitor{false});
}

void MonitorToggle::on_begin(const StageId& stage, int steps) {
  const bool at_edge = stage.role == StageRole::kStepInference && stage.index % steps_in_block_ == 0;
  if (at_edge && is_on_(stage.index / steps_in_block_))
    turn_on();
  else if (at_edge)
    turn_off();
  if (on_) pipe_.on_begin(stage, steps);
}

void MonitorToggle::on_span(const StageSpan& span) {
  if (on_)
    pipe_.on_span(span);
  else
    remembered_.push_back(span);
}

void MonitorToggle::on_memory(const MemoryMark& mark) {
  if (on_) pipe_.on_memory(mark);
}

void MonitorToggle::finish() {
  counters_.reset();
  for (const StageSpan& span : remembered_) pipe_.on_span(span);
  remembered_.clear();
}

}  // namespace wan::suite
