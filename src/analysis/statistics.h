// Statistics on small samples, each with a known answer in the tests. Nothing here knows what the numbers mean.
#pragma once

#include <span>
#include <vector>

#include "base/median_bootstrap.h"
#include "base/order_statistics.h"

namespace wan {

/// P(T <= t) of Student's t with `df` > 0 degrees of freedom (not necessarily whole).
double student_t_cdf(double t, double df);
/// Its inverse, 0 < p < 1.
double student_t_quantile(double p, double df);

/// Interval [min, max] and the exact probability 1 - 2^(1-n) that it covers the median, whatever the distribution.
struct OrderInterval {
  Interval interval;
  double coverage = 0;
};
OrderInterval order_statistic_interval(std::span<const double> values);

/// Welch's comparison of the logarithms of two positive samples: the ratio of geometric means b / a.
/// Needs two values in each arm. Exact under log-normal run noise of any two variances, to Welch's approximation.
struct WelchRatio {
  double ratio = 1;
  Interval interval;   // of the ratio
  double p_value = 1;  // two-sided, of no difference
};
WelchRatio welch_log_ratio(std::span<const double> a, std::span<const double> b, double confidence);

/// Two-sided p of the Mann-Whitney rank-sum test, ties by midranks. Up to kMostExactRanks values in all it is exact:
/// the share of all assignments of the pooled values to the arms whose rank sum is at least as far from its mean,
/// whatever the distribution. Beyond, the normal approximation with corrections for continuity and ties (Mann and
/// Whitney 1947; Lehmann, Nonparametrics, 1.3): there its error is below 0.001.
double mann_whitney(std::span<const double> a, std::span<const double> b);
inline constexpr size_t kMostExactRanks = 60;

/// Holm's step-down adjustment of p values; order kept, capped at 1, monotone.
std::vector<double> holm(std::span<const double> p_values);

}  // namespace wan
