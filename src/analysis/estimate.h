// A number over repeated runs with how sure we are of it.
#pragma once

#include <optional>
#include <span>
#include <string>

#include "analysis/statistics.h"

namespace wan {

struct EstimateOptions {
  double confidence = 0.95;
  int draws = 10'000;
  uint64_t seed = 20261124;  // fixed, so that a report made twice is the same
};

struct Estimate {
  double median = 0;
  int64_t runs = 0;
  std::optional<Interval> interval;       // percentile bootstrap over runs; none for a single run
  std::optional<OrderInterval> extremes;  // exact; for fewer than 8 runs
  bool single_run = false;                // a badge: no interval can be given

  /// Half the interval's width over the median; infinite for a single run.
  double relative_half_width() const;
};

/// Estimates the median of the population the run values come from. Not empty.
Estimate estimate(std::span<const double> run_values, const EstimateOptions& options = {});

/// An estimate, or why there is none.
struct Quantity {
  std::optional<Estimate> estimate;
  std::string reason;
  std::string source;
  bool has() const { return estimate.has_value(); }
  double median() const { return estimate->median; }
};

/// When repeating may stop: half-widths relative to the median, measurement 4.
inline constexpr double kStepTarget = 0.01;
inline constexpr double kWarmTotalTarget = 0.02;
inline constexpr double kInitTarget = 0.05;
inline constexpr int64_t kMinRunsToConverge = 5;

/// True once there are at least `min_runs` and the interval is as narrow as `target`.
bool converged(const Estimate& e, double target, int64_t min_runs = kMinRunsToConverge);

}  // namespace wan
