// When a case has been run often enough: what must settle, and how well. One definition for `run --repeats auto`, which
// stops by it, and for reports, which say it.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "results/record.h"

namespace wan {

/// Half the 95 % interval of the median, over the median, that each quantity must reach (docs/method.md).
inline constexpr double kSteadyStepTarget = 0.01;
inline constexpr double kWarmTotalTarget = 0.02;
inline constexpr double kHostStageTarget = 0.05;  // initialization, text encoding on the CPU
inline constexpr int64_t kMinRunsToConverge = 5;

/// One quantity over the runs that count.
struct SettlingSeries {
  std::string name;
  double target = 0;
  std::vector<double> values;  // seconds

  double half_width() const;  // relative_half_width of the values
};

/// What must settle in runs of one case and scope: steady step, warm total (text encoding to the end of decoding) and,
/// in cold runs, initialization and text encoding on the CPU. Of runs that count by their records. Quantities the runs
/// do not have are left out; where there is none of them, the total stands in, with the warm total's target.
std::vector<SettlingSeries> settling_series(std::span<const RunRecord* const> runs);

/// True once there are at least `min_runs` values and their interval is as narrow as the target.
bool converged(const SettlingSeries& series, int64_t min_runs = kMinRunsToConverge);

}  // namespace wan
