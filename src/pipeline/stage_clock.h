// Turns the engine's stage boundaries into spans: one event per boundary on the compute queue, read when it has passed,
// so that watching adds no wait.
#pragma once

#include <cstdint>
#include <deque>
#include <vector>

#include "backend/backend.h"
#include "pipeline/copy_time.h"
#include "pipeline/layer_store.h"
#include "pipeline/observer.h"

namespace wan {

class StageClock {
 public:
  /// The first stage, Model_Initialization, begins at `start_ns`.
  StageClock(Observer& observer, int steps, int64_t start_ns);
  /// Events come from `backend` from now on.
  void attach(Backend& backend) { backend_ = &backend; }

  /// Ends the current stage and begins another at the same instant.
  void enter(StageId stage);
  /// Ends the last stage. Waits for the device.
  void finish();

  /// Work of the current leaf.
  void add_flops(double flops) { current_.flops += flops; }
  /// Time the current leaf's work waited for weights; a step's is reported as its Step_i_Loading.
  void add_waits(std::vector<DeviceInterval> waits);
  /// Weights that were copied beside the leaves: a hidden part "h2d" each.
  void add_copies(const std::vector<DeviceInterval>& copies);
  /// A part of the current leaf, from the last mark (or the leaf's beginning) to now.
  void mark(const std::string& component);

  /// Reports every leaf that is over by now; never waits.
  void poll();
  /// Waits for the device to reach the last mark: whoever stops the request then stops it before more work is queued.
  void await_mark();
  const StageId& stage() const { return current_.stage; }

 private:
  struct Part {
    std::string component;
    Event begin, end;
  };
  struct Leaf {
    StageId stage{StageRole::kInitialization};
    Event begin, end;
    int64_t begin_ns = 0;  // where there is no event
    double flops = 0;
    std::vector<DeviceInterval> waits, copies;
    std::vector<Part> parts;
  };
  void report(const Leaf& leaf);
  void report_parts(const Leaf& leaf, const std::vector<TimeSpan>& waits_ahead);
  std::vector<TimeSpan> times_of(const std::vector<DeviceInterval>& intervals) const;
  bool is_over(const Leaf& leaf) const;
  int64_t time_of(const Event& event) const { return backend_->event_time_ns(event); }

  Observer& observer_;
  Backend* backend_ = nullptr;
  int steps_;
  Leaf current_;
  Event last_mark_;
  std::deque<Leaf> over_;
};

}  // namespace wan
