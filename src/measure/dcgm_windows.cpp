#include "measure/dcgm_windows.h"

#include <cstdlib>

namespace wan::measure {
namespace {

std::optional<double> share_near(const std::vector<DcgmValue>& values, int64_t at_us) {
  constexpr int64_t kNearUs = 20'000;
  for (const DcgmValue& value : values)
    if (std::abs(value.at_us - at_us) <= kNearUs) return value.share;
  return std::nullopt;
}

}  // namespace

std::vector<ActivityReading> to_windows(const DcgmSeries& series, int64_t to_monotonic_ns,
                                        std::optional<int64_t>& counted_to_ns) {
  std::vector<ActivityReading> windows;
  for (const DcgmValue& sm : series.sm) {
    const int64_t end_ns = sm.at_us * 1000 + to_monotonic_ns;
    if (counted_to_ns && end_ns <= *counted_to_ns) continue;
    if (counted_to_ns) {
      ActivityReading window;
      window.interval = {*counted_to_ns, end_ns};
      window.sm = sm.share;
      window.tensor = share_near(series.tensor, sm.at_us);
      window.dram = share_near(series.dram, sm.at_us);
      windows.push_back(window);
    }
    counted_to_ns = end_ns;
  }
  return windows;
}

}  // namespace wan::measure
