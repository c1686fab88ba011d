// Monotonic time in nanoseconds, the only clock measurements use, and one UTC anchor for records.
#pragma once

#include <cstdint>
#include <string>

namespace wan {

/// CLOCK_MONOTONIC in nanoseconds; comparable between processes of one machine.
int64_t monotonic_ns();

/// Now in UTC as ISO 8601 with milliseconds, for example 2026-11-24T10:50:00.123Z.
std::string utc_now();

/// A duration in seconds; the only type for durations that are not integer nanoseconds.
struct Seconds {
  double value = 0;
};

inline Seconds seconds_from_ns(int64_t ns) { return {static_cast<double>(ns) * 1e-9}; }

}  // namespace wan
