// The percentile bootstrap of a median without draws: a resample's median has few values, each with a known
// probability, so the interval needs no seed and is the same wherever it is asked for.
#pragma once

#include <span>
#include <vector>

namespace wan {

struct Interval {
  double low = 0, high = 0;
  bool contains(double x) const { return low <= x && x <= high; }
  bool operator==(const Interval&) const = default;
};

/// A value that the median of a resample can take, and how often it does.
struct MedianOutcome {
  double value = 0;
  double probability = 0;
};

/// All of them by value, equal values apart; not empty. A resample draws as many values as there are, with replacement.
/// An even number of values has as many outcomes as pairs.
std::vector<MedianOutcome> resampled_medians(std::span<const double> values);

/// Percentile interval of the median: the first outcomes, from below and from above, that leave half of 1 - confidence
/// behind them. Not empty.
Interval bootstrap_median(std::span<const double> values, double confidence);

/// The same of median(b) / median(a), arms resampled independently; positive values.
Interval bootstrap_median_ratio(std::span<const double> a, std::span<const double> b, double confidence);

/// Half the 95 % interval of the median over the median; infinite for fewer than two values or a median of 0.
double relative_half_width(std::span<const double> values);

}  // namespace wan
