// How much of the copying was hidden behind computing. Pure.
#pragma once

#include <cstdint>
#include <vector>

namespace wan {

struct TimeSpan {
  int64_t begin_ns = 0, end_ns = 0;
};

/// Nanoseconds in which at least one of `copies` was in flight and none of `waits` held the device up for it. Spans may
/// overlap and come in any order; those that end before they begin count for nothing.
int64_t hidden_copy_ns(std::vector<TimeSpan> copies, std::vector<TimeSpan> waits);

}  // namespace wan
