#include "base/order_statistics.h"

#include <algorithm>
#include <cassert>
#include <cmath>
#include <limits>
#include <vector>

namespace wan {

double quantile_sorted(std::span<const double> sorted, double p) {
  const double position = p * static_cast<double>(sorted.size() - 1);
  const auto below = static_cast<size_t>(position);
  const size_t above = std::min(below + 1, sorted.size() - 1);
  return sorted[below] + (position - static_cast<double>(below)) * (sorted[above] - sorted[below]);
}

double median_in_place(std::span<double> scratch) {
  const size_t half = scratch.size() / 2;
  std::nth_element(scratch.begin(), scratch.begin() + static_cast<std::ptrdiff_t>(half), scratch.end());
  const double upper = scratch[half];
  if (scratch.size() % 2 == 1) return upper;
  return 0.5 * (upper + *std::max_element(scratch.begin(), scratch.begin() + static_cast<std::ptrdiff_t>(half)));
}

double median(std::span<const double> values) {
  assert(!values.empty());
  std::vector<double> scratch(values.begin(), values.end());
  return median_in_place(scratch);
}

double quantile(std::span<const double> values, double p) {
  assert(!values.empty());
  std::vector<double> sorted(values.begin(), values.end());
  std::sort(sorted.begin(), sorted.end());
  return quantile_sorted(sorted, p);
}

double scaled_mad(std::span<const double> values) {
  const double centre = median(values);
  std::vector<double> deviations;
  for (const double v : values) deviations.push_back(std::abs(v - centre));
  return 1.4826 * median_in_place(deviations);
}

double theil_sen_slope(std::span<const double> values) {
  std::vector<double> slopes;
  for (size_t i = 0; i < values.size(); ++i) {
    for (size_t j = i + 1; j < values.size(); ++j)
      slopes.push_back((values[j] - values[i]) / static_cast<double>(j - i));
  }
  return slopes.empty() ? 0 : median_in_place(slopes);
}

std::optional<ChangePoint> change_point(std::span<const double> values, double min_relative) {
  constexpr size_t kSegment = 3;
  constexpr double kNoiseMultiple = 6;
  const auto absolute_residuals = [](std::span<const double> segment) {
    const double centre = median(segment);
    double sum = 0;
    for (const double v : segment) sum += std::abs(v - centre);
    return sum;
  };
  size_t at = 0;
  double smallest = std::numeric_limits<double>::infinity();
  for (size_t k = kSegment; k + kSegment <= values.size(); ++k) {
    const double left_over = absolute_residuals(values.first(k)) + absolute_residuals(values.subspan(k));
    if (left_over < smallest) {
      smallest = left_over;
      at = k;
    }
  }
  if (at == 0) return std::nullopt;
  const double before = median(values.first(at)), after = median(values.subspan(at));
  std::vector<double> residuals;
  for (size_t i = 0; i < values.size(); ++i) residuals.push_back(values[i] - (i < at ? before : after));
  const double step = std::abs(after - before);
  if (step <= min_relative * std::abs(before) || step <= kNoiseMultiple * scaled_mad(residuals)) return std::nullopt;
  return ChangePoint{static_cast<int64_t>(at), after / before - 1};
}

}  // namespace wan
