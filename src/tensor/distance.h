// How far two lists of numbers are apart.
#pragma once

#include <cstdint>

namespace wan {

/// Sums over all elements, in double.
struct Distance {
  double difference = 0;  // |a - b|^2
  double a = 0, b = 0;    // |a|^2, |b|^2
  double product = 0;     // a . b

  bool is_finite() const;
  /// |a - b| / |b|; b must not be zero throughout.
  double relative_l2() const;
  /// Of the angle between both, neither of which may be zero throughout.
  double cosine() const;
};

/// Of `count` elements each.
Distance distance_of(const float* a, const float* b, int64_t count);

}  // namespace wan
