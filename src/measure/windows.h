// From readings to stages. A reading is the mean over the window since the one before it, so it is given to stages by
// the area they share, never by its time stamp: sums over stages then equal the whole-run integral. Pure functions.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace wan::measure {

/// A half-open interval of CLOCK_MONOTONIC, in nanoseconds.
struct Interval {
  int64_t begin_ns = 0;
  int64_t end_ns = 0;
  int64_t length_ns() const { return end_ns > begin_ns ? end_ns - begin_ns : 0; }
};

/// What two intervals share; empty where they do not meet.
inline Interval intersection(const Interval& a, const Interval& b) {
  return {a.begin_ns > b.begin_ns ? a.begin_ns : b.begin_ns, a.end_ns < b.end_ns ? a.end_ns : b.end_ns};
}

/// A reading that stands for all of its interval. Windows of one series are in order and do not overlap.
struct Window {
  Interval interval;
  double value = 0;
};

/// One reading of a counter that only grows: core-nanoseconds, bytes, millijoules.
struct CounterReading {
  int64_t at_ns = 0;
  double total = 0;
};

/// Windows of one series and what is asked of all of them each time.
struct WindowSeries {
  std::vector<Window> windows;
  int64_t typical_ns = 0;  // typical_length_ns, set once they are complete
  bool empty() const { return windows.empty(); }
};

/// What a set of intervals received. `value` is absent with the reason in words a result file keeps:
/// below_resolution, no_samples.
struct Share {
  std::optional<double> value;
  std::string reason;
  double windows = 0;   // how many windows' worth of time the intervals hold, by the typical window
  double coverage = 0;  // share of the intervals' time that some window covers, 0 to 1
};

/// How long an interval has to be against the sampling window.
enum class Resolution {
  kStage,   // two windows: a mean for the interval itself
  kPooled,  // ten windows: a mean for equal stages taken together
  kAny,     // whatever overlaps; for peaks and whole runs
};

inline constexpr double kStageWindows = 2;
inline constexpr double kPooledWindows = 10;

/// Mean over `parts` of the windows, weighted by shared time. Times no window covers do not enter the mean.
Share mean_over(std::span<const Window> windows, std::span<const Interval> parts, Resolution resolution);
/// The same in a time that does not grow with the windows that no part meets.
Share mean_over(const WindowSeries& series, std::span<const Interval> parts, Resolution resolution);

/// Integral over `parts` in value-seconds, scaled up to full coverage. Same refusals as the mean.
Share integral_over(std::span<const Window> windows, std::span<const Interval> parts, Resolution resolution);
Share integral_over(const WindowSeries& series, std::span<const Interval> parts, Resolution resolution);

/// Largest value of the windows that `part` shares at least a tenth with, of the shorter of the two: a window that only
/// brushes a stage at its edge says nothing about it.
std::optional<double> peak_over(std::span<const Window> windows, Interval part);

/// Growth of a counter over `part`, straight lines between readings. Absent when a bound lies outside the readings.
std::optional<double> growth_over(std::span<const CounterReading> readings, Interval part);

/// As growth_over, but where `part` reaches at most a twentieth of itself beyond the readings, the mean growth of what
/// was read is taken for the rest: a process is born before its first reading and outlives its last.
std::optional<double> growth_nearly_over(std::span<const CounterReading> readings, Interval part);

/// The rate of a counter between neighbouring readings, per second, as windows.
std::vector<Window> rates(std::span<const CounterReading> readings);

/// The median length of the windows; 0 without any.
int64_t typical_length_ns(std::span<const Window> windows);

}  // namespace wan::measure
