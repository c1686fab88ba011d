#include "base/median_bootstrap.h"

#include <algorithm>
#include <cassert>
#include <cmath>
#include <limits>

#include "base/order_statistics.h"

namespace wan {
namespace {

/// Logarithms of binomial coefficients of n, which stay finite for any n.
class LogChoose {
 public:
  explicit LogChoose(int n) : n_(n), log_factorial_(static_cast<size_t>(n) + 1) {
    for (int i = 2; i <= n; ++i) at(i) = at(i - 1) + std::log(i);
  }
  double operator()(int k) const { return at(n_) - at(k) - at(n_ - k); }

 private:
  double& at(int i) { return log_factorial_[static_cast<size_t>(i)]; }
  double at(int i) const { return log_factorial_[static_cast<size_t>(i)]; }
  int n_;
  std::vector<double> log_factorial_;
};

/// P(the `rank`th smallest of n draws from n values is among the `i` smallest values).
double order_cdf(const LogChoose& log_choose, int n, int rank, int i) {
  if (i == 0 || i == n) return i == 0 ? 0 : 1;
  const double log_p = std::log(double(i) / n), log_q = std::log1p(-double(i) / n);
  double sum = 0;
  for (int k = rank; k <= n; ++k) sum += std::exp(log_choose(k) + k * log_p + (n - k) * log_q);
  return sum;
}

/// log of (i/n)^k - ((i-1)/n)^k: of k draws among the `i` smallest of n values, one of them the ith.
double log_power_step(int n, int k, int i) {
  const double below = i == 1 ? 0 : std::exp(k * std::log(double(i - 1) / i));
  return k * std::log(double(i) / n) + std::log1p(-below);
}

bool by_value(const MedianOutcome& a, const MedianOutcome& b) { return a.value < b.value; }

/// The first outcome at which the probability of this one and those before it reaches `tail`.
template <class Iterator>
double first_at(Iterator begin, Iterator end, double tail) {
  double sum = 0;
  Iterator last = begin;
  for (Iterator at = begin; at != end; ++at) {
    last = at;
    sum += at->probability;
    if (sum >= tail) break;
  }
  return last->value;
}

/// P(median(b) / median(a) <= ratio) of outcomes by value and the sums of b's probabilities up to each.
double ratio_cdf(const std::vector<MedianOutcome>& a, const std::vector<MedianOutcome>& b,
                 const std::vector<double>& sums_b, double ratio) {
  double sum = 0;
  for (const MedianOutcome& outcome : a) {
    const auto end = std::upper_bound(b.begin(), b.end(), MedianOutcome{ratio * outcome.value, 0}, by_value);
    if (end != b.begin()) sum += outcome.probability * sums_b[static_cast<size_t>(end - b.begin()) - 1];
  }
  return sum;
}

/// The quotient of two outcomes that is nearest to `ratio`.
double nearest_quotient(const std::vector<MedianOutcome>& a, const std::vector<MedianOutcome>& b, double ratio) {
  double nearest = b.front().value / a.front().value;
  const auto consider = [&](double quotient) {
    if (std::abs(quotient - ratio) < std::abs(nearest - ratio)) nearest = quotient;
  };
  for (const MedianOutcome& outcome : a) {
    const auto at = std::lower_bound(b.begin(), b.end(), MedianOutcome{ratio * outcome.value, 0}, by_value);
    if (at != b.end()) consider(at->value / outcome.value);
    if (at != b.begin()) consider(std::prev(at)->value / outcome.value);
  }
  return nearest;
}

/// The smallest quotient whose cdf reaches `tail`, by halving the range of all of them.
double ratio_at(const std::vector<MedianOutcome>& a, const std::vector<MedianOutcome>& b, double tail) {
  std::vector<double> sums_b;
  double sum = 0;
  for (const MedianOutcome& outcome : b) sums_b.push_back(sum += outcome.probability);
  constexpr double kDigits = 4 * std::numeric_limits<double>::epsilon();
  double high = b.back().value / a.front().value * (1 + kDigits),
         low = b.front().value / a.back().value * (1 - kDigits);
  while (high - low > kDigits * high) {
    const double middle = 0.5 * (low + high);
    (ratio_cdf(a, b, sums_b, middle) >= tail ? high : low) = middle;
  }
  return nearest_quotient(a, b, high);
}

}  // namespace

std::vector<MedianOutcome> resampled_medians(std::span<const double> values) {
  assert(!values.empty());
  std::vector<double> sorted(values.begin(), values.end());
  std::sort(sorted.begin(), sorted.end());
  const int n = static_cast<int>(sorted.size()), half = n / 2, rank = n % 2 == 1 ? half + 1 : half;
  const auto value = [&](int i) { return sorted[static_cast<size_t>(i - 1)]; };
  const LogChoose log_choose(n);
  std::vector<MedianOutcome> outcomes;
  for (int i = 1; i <= n; ++i) {
    double alone = order_cdf(log_choose, n, rank, i) - order_cdf(log_choose, n, rank, i - 1);
    // The two middle draws fall on values i < j when `half` draws are at most i, one of them i, and the others at least
    // j, one of them j.
    for (int j = i + 1; n % 2 == 0 && j <= n; ++j) {
      const double both = std::exp(log_choose(half) + log_power_step(n, half, i) + log_power_step(n, half, n - j + 1));
      outcomes.push_back({0.5 * (value(i) + value(j)), both});
      alone -= both;
    }
    outcomes.push_back({value(i), std::max(alone, 0.0)});
  }
  std::stable_sort(outcomes.begin(), outcomes.end(), by_value);
  return outcomes;
}

Interval bootstrap_median(std::span<const double> values, double confidence) {
  const auto [low, high] = std::minmax_element(values.begin(), values.end());
  if (*low == *high) return {*low, *high};  // every resample is the same: work and memory seldom vary
  const std::vector<MedianOutcome> outcomes = resampled_medians(values);
  const double tail = 0.5 * (1 - confidence);
  return {first_at(outcomes.begin(), outcomes.end(), tail), first_at(outcomes.rbegin(), outcomes.rend(), tail)};
}

Interval bootstrap_median_ratio(std::span<const double> a, std::span<const double> b, double confidence) {
  const std::vector<MedianOutcome> of_a = resampled_medians(a), of_b = resampled_medians(b);
  const double tail = 0.5 * (1 - confidence);
  return {ratio_at(of_a, of_b, tail), 1 / ratio_at(of_b, of_a, tail)};
}

double relative_half_width(std::span<const double> values) {
  constexpr double kConfidence = 0.95;
  if (values.size() < 2 || median(values) == 0) return std::numeric_limits<double>::infinity();
  const Interval interval = bootstrap_median(values, kConfidence);
  return 0.5 * (interval.high - interval.low) / std::abs(median(values));
}

}  // namespace wan
