// The device's clock tied to the host's: the arithmetic alone, so that it is tested without a device.
#pragma once

#include <cstdint>

namespace wan {

/// An event on CLOCK_MONOTONIC, and how far off that may be.
struct ClockTie {
  int64_t host_ns = 0;
  int64_t uncertainty_ns = 0;
};

/// The tie of an event known to lie between two readings of the host's clock: their middle, give or take half of what
/// is between them.
ClockTie tie_between(int64_t before_ns, int64_t after_ns);

/// What the device's clock and the host's came apart by between two ties.
struct ClockDrift {
  int64_t residual_ns = 0;  // host's time less the mapped time at the second tie: positive when the device's ran slow
  int64_t uncertainty_ns = 0;  // of the residual
};

/// Follows device time from a tie. The driver tells elapsed device time in float milliseconds, exact to 30 ns over half
/// a second and to 0.1 ms over half an hour, so it is asked for in short steps: from a reference event to a later one,
/// which becomes the next reference. The steps add up in whole nanoseconds.
class DeviceClock {
 public:
  /// The reference is the tied event from now on.
  void start(ClockTie tie) { reference_ = tie; }
  /// Host time of an event this long after the reference event (before it: negative).
  int64_t at(float elapsed_ms) const;
  /// Whether that event should become the reference: it is far enough to cost precision.
  static bool is_far(float elapsed_ms) { return elapsed_ms > kStepMs; }
  /// Makes that event the reference.
  void move(float elapsed_ms) { reference_.host_ns = at(elapsed_ms); }
  /// How far the mapping is off at an event tied anew.
  ClockDrift drift(float elapsed_ms, ClockTie again) const;

 private:
  static constexpr float kStepMs = 500;
  ClockTie reference_;
};

}  // namespace wan
