// LDR-FLIP: what somebody sees who flips between two pictures on a screen.
#pragma once

#include <array>
#include <vector>

#include "io/image.h"

namespace wan {

/// 0.7 m from a screen 0.7 m and 3840 pixels wide, the reference implementation's default: 67.02.
inline constexpr double kPixelsPerDegree = 3840 * 3.14159265358979323846 / 180;

/// Pictures are sRGB; beyond the border the edge pixels repeat, as in the reference implementation.
/// Source: Andersson, Nilsson, Akenine-Moller, Oskarsson, Astrom, Fairchild, "FLIP: A Difference Evaluator for
/// Alternating Images", 2020; filters separated as in the reference implementation's separatedConvolutions.pdf.
class Flip {
 public:
  explicit Flip(double pixels_per_degree = kPixelsPerDegree);

  /// Mean over all pixels, from 0, no difference seen, to 1. Both of one size.
  double mean_error(const Image& reference, const Image& test) const;

  /// One side of a separable filter, its centre in the middle.
  using Taps = std::vector<float>;
  struct Filters {
    Taps luminance, red_green, blue_yellow_1, blue_yellow_2;  // what the eye resolves; the last two add up
    Taps smooth, edge, point;                                 // a Gaussian and its two derivatives
    std::array<float, 256> linear{};                          // of an sRGB byte
  };

 private:
  Filters filters_;
  float largest_ = 0;  // colour difference there is: of green and blue
};

}  // namespace wan
