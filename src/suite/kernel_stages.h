// Watches the kernels of a video and sorts them by its stages; passes on all that the engine says.
#pragma once

#include <string>
#include <vector>

#include "measure/kernel_collector.h"
#include "pipeline/observer.h"

namespace wan::suite {

class KernelStages final : public Observer {
 public:
  /// Make it before the first CUDA call of the process. `next` hears everything and must outlive this.
  explicit KernelStages(Observer& next) : next_(next) {}
  void on_span(const StageSpan& span) override;
  void on_begin(Stage stage, int index, int steps) override { next_.on_begin(stage, index, steps); }
  void on_memory(const MemoryMark& mark) override { next_.on_memory(mark); }
  void on_fact(const std::string& key, const std::string& value) override;

  /// The kernels of the video that has just ended, the device being idle. A step's loading and inference are one
  /// window: its waits lie between its kernels, wherever its loading is shown.
  KernelTrace take();

  /// Why some of the kernels of the last `take` are in no table; empty: all are. Also passed on as the fact
  /// `kernels_missing`.
  const std::string& missing() const { return missing_; }

 private:
  Observer& next_;
  measure::KernelCollector collector_;
  std::string task_ = "ti2v";
  int step_ = -1;  // of the last window, -1: not a step's
  std::vector<measure::StageWindow> windows_;
  std::string missing_;
};

}  // namespace wan::suite
