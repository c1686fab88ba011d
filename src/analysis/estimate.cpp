// Estimates over runs.
#include "analysis/estimate.h"

namespace wan {

namespace {
constexpr size_t kExactBelow = 8;  // from 8 runs on [min, max] covers more than 99 % and says little
}

Estimate estimate(std::span<const double> run_values, const EstimateOptions& options) {
  Estimate out;
  out.median = median(run_values);
  out.runs = static_cast<int64_t>(run_values.size());
  out.single_run = run_values.size() == 1;
  if (out.single_run) return out;
  out.interval = bootstrap_median(run_values, options.confidence);
  if (run_values.size() < kExactBelow) out.extremes = order_statistic_interval(run_values);
  return out;
}

}  // namespace wan
