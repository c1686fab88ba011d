#include "fidelity/ssim.h"

#include <algorithm>
#include <array>
#include <cassert>
#include <cmath>
#include <vector>

#include "fidelity/plane.h"

namespace wan {
namespace {

constexpr double kRange = 255;
constexpr double kC1 = (0.01 * kRange) * (0.01 * kRange);
constexpr double kC2 = (0.03 * kRange) * (0.03 * kRange);
constexpr std::array<double, 5> kScaleWeights{0.0448, 0.2856, 0.3001, 0.2363, 0.1333};

using Window = std::array<double, kSsimWindow>;

Window gaussian_window() {
  constexpr double kSigma = 1.5;
  Window window{};
  double sum = 0;
  for (int i = 0; i < kSsimWindow; ++i) {
    const double x = (i - kSsimWindow / 2) / kSigma;
    sum += window[static_cast<size_t>(i)] = std::exp(-x * x / 2);
  }
  for (double& tap : window) tap /= sum;
  return window;
}

Plane<double> luma(const Image& image) {
  Plane<double> plane(image.width, image.height);
  const uint8_t* rgb = image.rgb.data();
  for (double& value : plane.values) {
    value = 0.299 * rgb[0] + 0.587 * rgb[1] + 0.114 * rgb[2];
    rgb += 3;
  }
  return plane;
}

Plane<double> halved(const Plane<double>& plane) {
  const auto half_of = [](int length) { return (length + 1) / 2; };
  Plane<double> half(half_of(plane.width), half_of(plane.height));
  for (int y = 0; y < half.height; ++y) {
    const double* upper = plane.row(2 * y);
    const double* lower = plane.row(std::min(2 * y + 1, plane.height - 1));
    double* out = half.row(y);
    for (int x = 0; x < half.width; ++x) {
      const int left = 2 * x, right = std::min(left + 1, plane.width - 1);
      out[x] = (upper[left] + upper[right] + lower[left] + lower[right]) / 4;
    }
  }
  return half;
}

/// What the window sums of a row of pixels: a, b, a^2 + b^2 and a b. The sum of both variances is all that SSIM asks.
class WindowedRow {
 public:
  explicit WindowedRow(int width) {
    for (auto& row : columns_) row.resize(static_cast<size_t>(width));
    for (auto& row : sums_) row.resize(static_cast<size_t>(width - kSsimWindow + 1));
  }

  /// The windows whose first row is `top`.
  void sum(const Plane<double>& a, const Plane<double>& b, int top, const Window& window) {
    auto& [sum_a, sum_b, squares, products] = columns_;
    for (auto& row : columns_) std::fill(row.begin(), row.end(), 0.0);
    for (int k = 0; k < kSsimWindow; ++k) {
      const double* row_a = a.row(top + k);
      const double* row_b = b.row(top + k);
      const double tap = window[static_cast<size_t>(k)];
      for (size_t x = 0; x < sum_a.size(); ++x) {
        sum_a[x] += tap * row_a[x];
        sum_b[x] += tap * row_b[x];
        squares[x] += tap * (row_a[x] * row_a[x] + row_b[x] * row_b[x]);
        products[x] += tap * (row_a[x] * row_b[x]);
      }
    }
    for (size_t i = 0; i < columns_.size(); ++i)
      sum_row<double>(columns_[i].data(), window, static_cast<int>(sums_[i].size()), sums_[i].data());
  }
  const std::array<std::vector<double>, 4>& sums() const { return sums_; }

 private:
  std::array<std::vector<double>, 4> columns_, sums_;
};

struct ScaleMeans {
  double whole = 0;     // luminance, contrast and structure
  double contrast = 0;  // contrast and structure
};

ScaleMeans means_of(const Plane<double>& a, const Plane<double>& b, const Window& window) {
  const int rows = a.height - kSsimWindow + 1, columns = a.width - kSsimWindow + 1;
  WindowedRow windowed(a.width);
  ScaleMeans sum;
  for (int y = 0; y < rows; ++y) {
    windowed.sum(a, b, y, window);
    const auto& [mean_a, mean_b, squares, products] = windowed.sums();
    for (size_t x = 0; x < static_cast<size_t>(columns); ++x) {
      const double product = mean_a[x] * mean_b[x], square = mean_a[x] * mean_a[x] + mean_b[x] * mean_b[x];
      const double contrast = (2 * (products[x] - product) + kC2) / (squares[x] - square + kC2);
      sum.contrast += contrast;
      sum.whole += contrast * (2 * product + kC1) / (square + kC1);
    }
  }
  const double count = static_cast<double>(rows) * columns;
  return {sum.whole / count, sum.contrast / count};
}

/// `first` is of the planes as they are.
double over_scales(Plane<double> a, Plane<double> b, ScaleMeans first, const Window& window) {
  double product = std::pow(std::max(first.contrast, 0.0), kScaleWeights[0]);
  for (size_t scale = 1; scale < kScaleWeights.size(); ++scale) {
    a = halved(a);
    b = halved(b);
    const ScaleMeans means = means_of(a, b, window);
    const double term = scale + 1 == kScaleWeights.size() ? means.whole : means.contrast;
    product *= std::pow(std::max(term, 0.0), kScaleWeights[scale]);
  }
  return product;
}

}  // namespace

Similarity similarity(const Image& a, const Image& b) {
  assert(a.width == b.width && a.height == b.height);
  const int smaller = std::min(a.width, a.height);
  if (smaller < kSsimWindow) return {no_score("smaller_than_11_pixels"), no_score("smaller_than_176_pixels")};
  const Window window = gaussian_window();
  Plane<double> luma_a = luma(a), luma_b = luma(b);
  const ScaleMeans means = means_of(luma_a, luma_b, window);
  if (smaller < kMsSsimSmallest) return {scored(means.whole), no_score("smaller_than_176_pixels")};
  return {scored(means.whole), scored(over_scales(std::move(luma_a), std::move(luma_b), means, window))};
}

}  // namespace wan
