// Watches the kernels of a video and sorts them by its stages; passes on all that the engine says.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "measure/kernel_collector.h"
#include "measure/kernel_events.h"
#include "pipeline/observer.h"

namespace wan::suite {

/// Whose kernels and calls are kept one by one, beside the sums of all.
enum class KeepEvents { kNone, kSteadyStep, kAll };

class KernelStages final : public Observer {
 public:
  /// Make it before the first CUDA call of the process. `next` hears everything and must outlive this.
  explicit KernelStages(Observer& next, KeepEvents keep = KeepEvents::kNone) : next_(next), keep_(keep) {}
  void on_plan(const Plan& plan) override;
  void on_span(const StageSpan& span) override;
  void on_begin(const StageId& stage, int steps) override { next_.on_begin(stage, steps); }
  void on_memory(const MemoryMark& mark) override { next_.on_memory(mark); }
  void on_clock(const ClockDrift& drift) override { next_.on_clock(drift); }
  void on_fact(const std::string& key, const std::string& value) override { next_.on_fact(key, value); }

  /// The kernels of the video that has just ended, the device being idle. A step's loading and inference are one
  /// window: its waits lie between its kernels, wherever its loading is shown.
  KernelTrace take();

  /// The events of the last `take`, by CLOCK_MONOTONIC; of `kSteadyStep` those of the step of median length, the first
  /// step left out where there are others. Empty where no kernel ran in it.
  KernelEvents take_events() { return std::exchange(events_, {}); }

 private:
  measure::StageWindow kept_window() const;

  Observer& next_;
  KeepEvents keep_;
  measure::KernelCollector collector_;
  std::string task_;  // of the plan; names the preprocessing stage
  int step_ = -1;     // of the last window, -1: not a step's
  std::vector<measure::StageWindow> windows_;
  KernelEvents events_;
};

}  // namespace wan::suite
