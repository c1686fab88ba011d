// The steps of one run as one correlated series: steady value, drift, two levels, outliers. Never a sample of n steps.
#pragma once

#include <optional>
#include <span>
#include <vector>

#include "base/order_statistics.h"
#include "results/record.h"

namespace wan {

/// Limits beyond which a series is called what it is.
inline constexpr double kDriftLimit = 0.01;    // slope x steps over the median
inline constexpr double kBimodalLimit = 1.05;  // 90th over 10th percentile
inline constexpr double kChangePointStep = 0.02;
inline constexpr double kOutlierMads = 3.5;    // Iglewicz & Hoaglin 1993
inline constexpr double kOutlierStep = 0.005;  // and at least this far from the median: a MAD can be nearly 0

struct StepSeries {
  double first_s = 0;            // step 0, with its warm-up
  double steady_median_s = 0;    // of steps 1 and up; step 0 where it is the only one; their mean where some reuse
  double first_over_steady = 0;  // ratio
  double drift = 0;              // relative change over the steady steps
  double p90_over_p10 = 1;
  std::optional<ChangePoint> change;  // index counts from step 0
  std::vector<int64_t> outliers;      // steps
  bool drifts = false, bimodal = false;
};

/// Whether all steps of a series do the same work. Where some reuse what others computed, their times say nothing of a
/// card that drifts, and only the mean says what a step costs.
enum class StepWork { kAlike, kReusing };

/// `seconds` by step, not empty.
StepSeries analyse_steps(std::span<const double> seconds, StepWork work = StepWork::kAlike);

StepWork step_work(const Measured<ForwardCounts>& forwards);

/// Of a run's steps, in clips those of the last, which has all that a clip goes on from; nothing where it has none.
std::optional<StepSeries> step_series(const RunRecord& run);

}  // namespace wan
