// When repeating may stop: pure decisions over the values of the runs so far, no clock and no files.
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "results/convergence.h"

namespace wan::measure {

struct StoppingRule {
  int64_t min_runs = kMinRunsToConverge;
  int64_t max_runs = 15;
  double max_seconds = 0;  // of the case's runs together; 0: no limit
  bool operator==(const StoppingRule&) const = default;
};

enum class StoppingVerdict { kGoOn, kConverged, kNotConverged };

struct StoppingDecision {
  StoppingVerdict verdict = StoppingVerdict::kGoOn;
  std::string text;  // why it stopped: "7 runs", "15 runs: initialization 8.7 %, target 5 %"; empty while it goes on
};

/// Whether a case has been run often enough. `runs` and `seconds` count every run tried, those that do not count as
/// values included. Stops early when `min_runs` tries gave no value at all.
StoppingDecision decide_stopping(std::span<const SettlingSeries> series, int64_t runs, double seconds,
                                 const StoppingRule& rule);

}  // namespace wan::measure
