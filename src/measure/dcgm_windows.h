// Values that a DCGM host engine stamped, made into windows on CLOCK_MONOTONIC. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "measure/gpu.h"

namespace wan::measure {

/// The mean since the value before it, 0 to 1; absent where the engine had none.
struct DcgmValue {
  int64_t at_us = 0;  // since 1970
  std::optional<double> share;
};

/// One field each, in order of time.
struct DcgmSeries {
  std::vector<DcgmValue> sm, tensor, dram;
};

/// A window ends where SM activity was stamped; tensor and DRAM values stamped within 20 ms of it, a fifth of the
/// period, are of the same window. `to_monotonic_ns` is CLOCK_MONOTONIC less the clock of the stamps. `counted_to_ns`
/// is where the last window ended and moves on; unset, the first value only says where the next window begins. What is
/// stamped before it, as after a clock was set back, is left out.
std::vector<ActivityReading> to_windows(const DcgmSeries& series, int64_t to_monotonic_ns,
                                        std::optional<int64_t>& counted_to_ns);

}  // namespace wan::measure
