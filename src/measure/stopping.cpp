#include "measure/stopping.h"

#include <fmt/format.h>

namespace wan::measure {
StoppingDecision decide_stopping(std::span<const SettlingSeries> series, int64_t runs, double seconds,
                                 const StoppingRule& rule) {
  if (series.empty() && runs >= rule.min_runs)
    return {StoppingVerdict::kNotConverged, fmt::format("{} runs and none that counts", runs)};
  std::string wide;
  for (const SettlingSeries& one : series) {
    if (converged(one, rule.min_runs)) continue;
    const auto values = static_cast<int64_t>(one.values.size());
    wide += wide.empty() ? "" : "; ";
    wide += values < 2 ? fmt::format("{}: {} value that counts", one.name, values)
                       : fmt::format("{}: {} values, half-width {:.1f} %, target {:.0f} %", one.name, values,
                                     100 * one.half_width(), 100 * one.target);
  }
  if (!series.empty() && wide.empty()) return {StoppingVerdict::kConverged, fmt::format("{} runs", runs)};
  const bool out_of_time = rule.max_seconds > 0 && seconds >= rule.max_seconds;
  if (runs < rule.max_runs && !out_of_time) return {};
  return {StoppingVerdict::kNotConverged,
          fmt::format("{} runs, {:.0f} s; {}", runs, seconds, wide.empty() ? "none that counts" : wide)};
}

}  // namespace wan::measure
