// Student's t and exact rank tests.
#include "analysis/statistics.h"

#include <algorithm>
#include <cassert>
#include <cmath>
#include <numeric>

namespace wan {
namespace {

/// Continued fraction of the incomplete beta function, by the modified Lentz method (Press et al., 6.4).
double beta_fraction(double a, double b, double x) {
  constexpr double kTiny = 1e-300;
  double c = 1, d = 1 - (a + b) * x / (a + 1);
  d = 1 / (std::abs(d) < kTiny ? kTiny : d);
  double h = d;
  for (int m = 1; m <= 500; ++m) {
    const auto advance = [&](double numerator) {
      d = 1 + numerator * d;
      c = 1 + numerator / c;
      d = 1 / (std::abs(d) < kTiny ? kTiny : d);
      if (std::abs(c) < kTiny) c = kTiny;
      h *= d * c;
      return std::abs(d * c - 1);
    };
    advance(m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m)));
    if (advance(-(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))) < 1e-15) break;
  }
  return h;
}

/// Regularised incomplete beta function I_x(a, b).
double incomplete_beta(double a, double b, double x) {
  if (x <= 0) return 0;
  if (x >= 1) return 1;
  const double front =
      std::exp(std::lgamma(a + b) - std::lgamma(a) - std::lgamma(b) + a * std::log(x) + b * std::log1p(-x));
  return x < (a + 1) / (a + b + 2) ? front * beta_fraction(a, b, x) / a : 1 - front * beta_fraction(b, a, 1 - x) / b;
}

struct LogMoments {
  double mean = 0, variance_of_mean = 0, degrees = 0;
};

LogMoments log_moments(std::span<const double> values) {
  const auto n = static_cast<double>(values.size());
  LogMoments out;
  for (const double v : values) out.mean += std::log(v) / n;
  double squares = 0;
  for (const double v : values) squares += (std::log(v) - out.mean) * (std::log(v) - out.mean);
  out.degrees = n - 1;
  out.variance_of_mean = squares / out.degrees / n;
  return out;
}

/// Twice the midrank of each value in the pool, so that ties stay whole numbers.
std::vector<int64_t> doubled_midranks(std::span<const double> pool) {
  std::vector<size_t> order(pool.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::sort(order.begin(), order.end(), [&](size_t i, size_t j) { return pool[i] < pool[j]; });
  std::vector<int64_t> ranks(pool.size());
  for (size_t i = 0; i < order.size();) {
    size_t end = i;
    while (end < order.size() && pool[order[end]] == pool[order[i]]) ++end;
    for (size_t k = i; k < end; ++k)
      ranks[order[k]] = static_cast<int64_t>(i + 1 + end);  // first + last rank of the tie
    i = end;
  }
  return ranks;
}

/// Of all ways to choose `in_a` of the ranks, the share whose sum lies at least as far from the mean as that of the
/// first `in_a`.
double rank_sum_exact(const std::vector<int64_t>& ranks, size_t in_a) {
  const int64_t sum_a = std::accumulate(ranks.begin(), ranks.begin() + static_cast<std::ptrdiff_t>(in_a), int64_t{0});
  const int64_t sum_all = std::accumulate(ranks.begin(), ranks.end(), int64_t{0});
  // ways[k][s]: subsets of k values with (doubled) rank sum s; doubles hold the counts exactly below 2^53 and to
  // rounding beyond.
  std::vector<std::vector<double>> ways(in_a + 1, std::vector<double>(static_cast<size_t>(sum_all) + 1, 0));
  ways[0][0] = 1;
  for (const int64_t rank : ranks) {
    for (size_t k = in_a; k > 0; --k) {
      for (int64_t s = sum_all; s >= rank; --s) {
        ways[k][static_cast<size_t>(s)] += ways[k - 1][static_cast<size_t>(s - rank)];
      }
    }
  }
  // The mean rank sum is |a| / |a + b| of the whole; compared in whole numbers.
  const auto n = static_cast<int64_t>(ranks.size()), na = static_cast<int64_t>(in_a);
  const int64_t seen = std::abs(n * sum_a - na * sum_all);
  double extreme = 0, all = 0;
  for (int64_t s = 0; s <= sum_all; ++s) {
    const double count = ways[in_a][static_cast<size_t>(s)];
    all += count;
    if (std::abs(n * s - na * sum_all) >= seen) extreme += count;
  }
  return extreme / all;
}

/// The same from the normal distribution that the rank sum comes near to.
double rank_sum_normal(const std::vector<int64_t>& ranks, size_t in_a) {
  const auto n = static_cast<double>(ranks.size()), na = static_cast<double>(in_a);
  double sum_a = 0, mean = 0, squares = 0;
  for (size_t i = 0; i < ranks.size(); ++i) {
    const double rank = 0.5 * static_cast<double>(ranks[i]);
    if (i < in_a) sum_a += rank;
    mean += rank / n;
  }
  for (const int64_t rank : ranks)
    squares += (0.5 * static_cast<double>(rank) - mean) * (0.5 * static_cast<double>(rank) - mean);
  const double variance =
      na * (n - na) * squares / (n * (n - 1));  // of a sum drawn without replacement: ties are in it
  if (variance <= 0) return 1;                  // all values equal
  const double distance = std::max(0.0, std::abs(sum_a - na * mean) - 0.5);
  return std::erfc(distance / std::sqrt(2 * variance));
}

}  // namespace

double student_t_cdf(double t, double df) {
  const double tail = 0.5 * incomplete_beta(0.5 * df, 0.5, df / (df + t * t));
  return t > 0 ? 1 - tail : tail;
}

double student_t_quantile(double p, double df) {
  if (p < 0.5) return -student_t_quantile(1 - p, df);
  double low = 0, high = 1;
  while (student_t_cdf(high, df) < p && high < 1e12) high *= 2;
  for (int i = 0; i < 200 && high - low > 1e-13 * high; ++i) {
    const double middle = 0.5 * (low + high);
    (student_t_cdf(middle, df) < p ? low : high) = middle;
  }
  return 0.5 * (low + high);
}

OrderInterval order_statistic_interval(std::span<const double> values) {
  assert(!values.empty());
  const auto [low, high] = std::minmax_element(values.begin(), values.end());
  return {{*low, *high}, 1 - std::ldexp(1.0, 1 - static_cast<int>(values.size()))};
}

WelchRatio welch_log_ratio(std::span<const double> a, std::span<const double> b, double confidence) {
  assert(a.size() >= 2 && b.size() >= 2);
  const LogMoments ma = log_moments(a), mb = log_moments(b);
  const double difference = mb.mean - ma.mean;
  const double variance = ma.variance_of_mean + mb.variance_of_mean;
  WelchRatio out;
  out.ratio = std::exp(difference);
  if (variance <= 0) {  // all values of each arm equal: no noise was seen
    out.interval = {out.ratio, out.ratio};
    out.p_value = difference == 0 ? 1 : 0;
    return out;
  }
  const double error = std::sqrt(variance);
  const double df =
      variance * variance /
      (ma.variance_of_mean * ma.variance_of_mean / ma.degrees + mb.variance_of_mean * mb.variance_of_mean / mb.degrees);
  const double half = student_t_quantile(0.5 * (1 + confidence), df) * error;
  out.interval = {std::exp(difference - half), std::exp(difference + half)};
  out.p_value = 2 * student_t_cdf(-std::abs(difference) / error, df);
  return out;
}

double mann_whitney(std::span<const double> a, std::span<const double> b) {
  assert(!a.empty() && !b.empty());
  std::vector<double> pool(a.begin(), a.end());
  pool.insert(pool.end(), b.begin(), b.end());
  const std::vector<int64_t> ranks = doubled_midranks(pool);
  return pool.size() <= kMostExactRanks ? rank_sum_exact(ranks, a.size()) : rank_sum_normal(ranks, a.size());
}

std::vector<double> holm(std::span<const double> p_values) {
  std::vector<size_t> order(p_values.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::sort(order.begin(), order.end(), [&](size_t i, size_t j) { return p_values[i] < p_values[j]; });
  std::vector<double> adjusted(p_values.size());
  double running = 0;
  for (size_t k = 0; k < order.size(); ++k) {
    running = std::max(running, std::min(1.0, p_values[order[k]] * static_cast<double>(order.size() - k)));
    adjusted[order[k]] = running;
  }
  return adjusted;
}

}  // namespace wan
