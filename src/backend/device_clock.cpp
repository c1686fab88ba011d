#include "backend/device_clock.h"

#include <cmath>

namespace wan {

ClockTie tie_between(int64_t before_ns, int64_t after_ns) {
  const int64_t half = (after_ns - before_ns) / 2;
  return {before_ns + half, half};
}

int64_t DeviceClock::at(float elapsed_ms) const {
  return reference_.host_ns + std::llround(static_cast<double>(elapsed_ms) * 1e6);
}

ClockDrift DeviceClock::drift(float elapsed_ms, ClockTie again) const {
  return {again.host_ns - at(elapsed_ms), reference_.uncertainty_ns + again.uncertainty_ns};
}

}  // namespace wan
