// When repeating may stop: pure decisions over the values of the runs so far, no clock and no files.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "results/record.h"

namespace wan::measure {

/// Half the 95 % interval of the median, over the median, that each quantity must reach (measurement 4).
inline constexpr double kSteadyStepTarget = 0.01;
inline constexpr double kWarmTotalTarget = 0.02;
inline constexpr double kHostStageTarget = 0.05;  // initialization, text encoding on the CPU

struct StoppingRule {
  int64_t min_runs = 5;
  int64_t max_runs = 15;
  double max_seconds = 0;  // of the case's runs together; 0: no limit
  bool operator==(const StoppingRule&) const = default;
};

/// One quantity over the runs that count.
struct StoppingSeries {
  std::string name;
  double target = 0;
  std::vector<double> values;
};

enum class StoppingVerdict { kGoOn, kConverged, kNotConverged };

struct StoppingDecision {
  StoppingVerdict verdict = StoppingVerdict::kGoOn;
  std::string text;  // why it stopped: "7 runs", "15 runs: initialization 8.7 %, target 5 %"; empty while it goes on
};

/// The 95 % percentile bootstrap interval of the median, half its width over the median; infinite for fewer than two
/// values or a median that is not positive. Computed from the exact distribution of a resample's median, so that it has
/// no draws and no seed; reports use 10 000 draws of the same, which may differ by one order statistic at the edge.
double relative_half_width(std::span<const double> values);

/// What must settle in runs of one case and scope: steady step, warm total (text encoding to the end of decoding) and,
/// in cold runs, initialization and text encoding on the CPU. Of runs that are ok, no warm-ups, and without an
/// excluding flag. Quantities the runs do not have are left out; where there is none of them, the total stands in, with
/// the warm total's target.
std::vector<StoppingSeries> stopping_series(std::span<const RunRecord* const> runs);

/// Whether a case has been run often enough. `runs` and `seconds` count every run tried, those that do not count as
/// values included. Stops early when `min_runs` tries gave no value at all.
StoppingDecision decide_stopping(std::span<const StoppingSeries> series, int64_t runs, double seconds,
                                 const StoppingRule& rule);

}  // namespace wan::measure
