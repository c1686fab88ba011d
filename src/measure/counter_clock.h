// Counter windows stamped by a clock of the device's own, put on the host's. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "measure/gpu.h"

namespace wan::measure {

/// Counters over one window of the device's clock, each 0 to 1.
struct CounterSample {
  int64_t begin_ns = 0, end_ns = 0;
  std::optional<double> sm, tensor, dram;
};

/// What was complete when the host looked; batches come in order of that.
struct CounterBatch {
  int64_t seen_ns = 0;  // CLOCK_MONOTONIC after it was read
  std::vector<CounterSample> samples;
};

/// The windows on CLOCK_MONOTONIC. A window cannot have ended after the host saw it, so of all batches seen within 10 s
/// the one that came soonest after its last window says the offset best: it is late by what reading took, well below a
/// window. Looking again every 10 s follows a device clock that drifts. Windows that run backwards or overlap the one
/// before, and the very first (it began before counting did), are left out.
std::vector<ActivityReading> on_host_clock(std::span<const CounterBatch> batches);

}  // namespace wan::measure
