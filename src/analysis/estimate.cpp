// Estimates over runs.
#include "analysis/estimate.h"

#include <cmath>
#include <limits>

namespace wan {

namespace {
constexpr size_t kExactBelow = 8;  // from 8 runs on [min, max] covers more than 99 % and says little
}

double Estimate::relative_half_width() const {
  if (!interval || median == 0) return std::numeric_limits<double>::infinity();
  return 0.5 * (interval->high - interval->low) / std::abs(median);
}

Estimate estimate(std::span<const double> run_values, const EstimateOptions& options) {
  Estimate out;
  out.median = median(run_values);
  out.runs = static_cast<int64_t>(run_values.size());
  out.single_run = run_values.size() == 1;
  if (out.single_run) return out;
  out.interval = bootstrap_median(run_values, options.confidence, options.draws, options.seed);
  if (run_values.size() < kExactBelow) out.extremes = order_statistic_interval(run_values);
  return out;
}

bool converged(const Estimate& e, double target, int64_t min_runs) {
  return e.runs >= min_runs && e.relative_half_width() <= target;
}

}  // namespace wan
