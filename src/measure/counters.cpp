#include "measure/counters.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/error.h"

namespace wan::measure {

std::string_view source_name(CounterRung rung) {
  switch (rung) {
    case CounterRung::kCupti: return "cupti_pm";
    case CounterRung::kGpm: return "nvml_gpm";
    case CounterRung::kDcgm: return "dcgm";
    case CounterRung::kNone: return "none";
  }
  return "none";
}

std::vector<std::string> counter_names() { return {"auto", "cupti", "gpm", "dcgm", "none"}; }

CounterRung parse_counters(const std::string& text) {
  if (text == "auto") return kTimedRung;
  if (text == "cupti") return CounterRung::kCupti;
  if (text == "gpm") return CounterRung::kGpm;
  if (text == "dcgm") return CounterRung::kDcgm;
  require(text == "none", fmt::format("counters '{}': expected one of {}", text, fmt::join(counter_names(), ", ")),
          ErrorKind::kUsage);
  return CounterRung::kNone;
}

}  // namespace wan::measure
