// A number over repeated runs with how sure we are of it.
#pragma once

#include <optional>
#include <span>
#include <string>

#include "analysis/statistics.h"

namespace wan {

struct EstimateOptions {
  double confidence = 0.95;
};

struct Estimate {
  double median = 0;
  int64_t runs = 0;
  std::optional<Interval> interval;       // percentile bootstrap over runs, exact; none for a single run
  std::optional<OrderInterval> extremes;  // exact; for fewer than 8 runs
  bool single_run = false;                // a badge: no interval can be given
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

}  // namespace wan
