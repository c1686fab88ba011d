// Switches the watching of a run on and off, some steps at a time, to find out what it costs.
#pragma once

#include <memory>
#include <vector>

#include "suite/counter_stream.h"
#include "suite/pipe_observer.h"

namespace wan::suite {

/// Between the engine and the pipe. While the monitor is on, everything goes through as in any run, and counters are
/// read in this process where they were asked for. While it is off, spans are only remembered, nothing else is read or
/// said, and the watching process reads nothing either; what was remembered is said at the end.
class MonitorToggle final : public Observer {
 public:
  /// `steps_in_block` > 0. `device` for counters of this process; empty: none are read here.
  MonitorToggle(PipeObserver& pipe, int64_t steps_in_block, bool (*is_on)(int64_t block), std::string device);
  ~MonitorToggle() override;

  void on_plan(const Plan& plan) override { pipe_.on_plan(plan); }
  void on_span(const StageSpan& span) override;
  void on_begin(const StageId& stage, int steps) override;
  void on_memory(const MemoryMark& mark) override;
  void on_clock(const ClockDrift& drift) override { pipe_.on_clock(drift); }
  void on_fact(const std::string& key, const std::string& value) override { pipe_.on_fact(key, value); }

  /// Says what was remembered.
  void finish();

 private:
  void turn_on();
  void turn_off();

  PipeObserver& pipe_;
  int64_t steps_in_block_;
  bool (*is_on_)(int64_t block);
  std::string device_;
  bool on_ = false;
  std::unique_ptr<CounterStream> counters_;
  std::vector<StageSpan> remembered_;
};

}  // namespace wan::suite
