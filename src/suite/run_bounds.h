// Times that a measured program reports, held to the run it is watched in.
#pragma once

#include <string>
#include <vector>

#include "base/stage.h"
#include "measure/windows.h"

namespace wan::suite {

/// Stages of a program that is watched from outside, by its NVTX ranges or its log: more are a trace.
inline constexpr size_t kMostLeaves = 1000;

/// How far beyond the run a reported time may lie: clocks of a device are mapped to the host's with less error.
inline constexpr int64_t kClockSlackNs = 1'000'000'000;

struct SpansWithin {
  std::vector<StageSpan> spans;
  std::string left_out;  // how many were, and the first of them; empty: none
};

/// The spans that can be of `run`, leaves cut to it. One that ends before it begins, lies beyond the run by more than
/// kClockSlackNs or has a device time that does not fit into it is left out.
SpansWithin spans_within(std::vector<StageSpan> spans, const measure::Interval& run);

}  // namespace wan::suite
