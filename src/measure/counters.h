// Hardware counters of a card by a ladder of sources: each is tried in turn from the one asked for down, and why it
// could not be used is kept.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace wan::measure {

enum class CounterRung {
  kCupti,  // CUPTI PM sampling inside the engine's process: windows of 10 ms
  kGpm,    // NVML GPM, Hopper and newer: windows of 100 ms
  kDcgm,   // a DCGM host engine that runs beside: windows of 100 ms
  kNone,
};

/// Where a timed run begins by itself: the highest rung whose cost is known to stay below half a percent of a step.
inline constexpr CounterRung kTimedRung = CounterRung::kGpm;

/// The names that a record uses: cupti_pm, nvml_gpm, dcgm, none.
std::string_view source_name(CounterRung rung);

/// "auto" (kTimedRung), cupti, gpm, dcgm or none. Throws Error(kUsage) for anything else.
CounterRung parse_counters(const std::string& text);
/// What parse_counters takes.
std::vector<std::string> counter_names();

}  // namespace wan::measure
