// Statistics of a short series by the order of its values. Nothing here knows what the numbers mean.
#pragma once

#include <cstdint>
#include <optional>
#include <span>

namespace wan {

/// Median; 0 < values.size().
double median(std::span<const double> values);

/// The same, reordering `scratch`.
double median_in_place(std::span<double> scratch);

/// Quantile by linear interpolation between order statistics (Hyndman & Fan 1996, type 7); 0 <= p <= 1, not empty.
double quantile(std::span<const double> values, double p);

/// The same of values in order.
double quantile_sorted(std::span<const double> sorted, double p);

/// Median absolute deviation from the median, scaled by 1.4826 to estimate a normal standard deviation.
double scaled_mad(std::span<const double> values);

/// Theil-Sen slope: the median of all pairwise slopes of values against their index; 0 for fewer than 2 values.
double theil_sen_slope(std::span<const double> values);

/// Split of a series into two levels: the first index of the second level, and the relative step.
struct ChangePoint {
  int64_t index = 0;
  double relative_step = 0;  // median after / median before - 1
};

/// The split into two segments of at least 3 that leaves the smallest absolute deviation from their medians, if the
/// step between the medians exceeds `min_relative` and six times the noise (scaled MAD of the residuals); else nothing.
std::optional<ChangePoint> change_point(std::span<const double> values, double min_relative);

}  // namespace wan
