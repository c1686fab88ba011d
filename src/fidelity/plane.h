// One channel of a picture, and the sums along columns and rows that separable filters are made of.
#pragma once

#include <algorithm>
#include <cstddef>
#include <span>
#include <vector>

namespace wan {

/// Rows from the top, [height, width].
template <class T>
struct Plane {
  Plane(int plane_width, int plane_height)
      : width(plane_width),
        height(plane_height),
        values(static_cast<size_t>(plane_width) * static_cast<size_t>(plane_height)) {}
  T* row(int y) { return values.data() + static_cast<size_t>(y) * static_cast<size_t>(width); }
  const T* row(int y) const { return values.data() + static_cast<size_t>(y) * static_cast<size_t>(width); }

  int width, height;
  std::vector<T> values;
};

/// A row with room for what a filter of `radius` reads beyond its ends.
template <class T>
class PaddedRow {
 public:
  PaddedRow(int width, int radius) : radius_(radius), values_(static_cast<size_t>(width) + 2 * radius_) {}
  T* inner() { return values_.data() + radius_; }
  /// Repeats the ends outwards.
  void extend() {
    std::fill_n(values_.begin(), radius_, values_[radius_]);
    std::fill_n(values_.end() - static_cast<std::ptrdiff_t>(radius_), radius_,
                *(values_.end() - 1 - static_cast<std::ptrdiff_t>(radius_)));
  }
  const T* begin() const { return values_.data(); }

 private:
  size_t radius_;
  std::vector<T> values_;
};

/// out[x] = sum over k of taps[k] * plane[y + k - radius][x]; rows beyond the plane are its first and last.
template <class T>
void sum_columns(const Plane<T>& plane, int y, std::span<const T> taps, T* out) {
  const int radius = static_cast<int>(taps.size()) / 2;
  std::fill_n(out, plane.width, T{0});
  for (int k = 0; k < static_cast<int>(taps.size()); ++k) {
    const T* row = plane.row(std::clamp(y + k - radius, 0, plane.height - 1));
    const T tap = taps[static_cast<size_t>(k)];
    for (int x = 0; x < plane.width; ++x) out[x] += tap * row[x];
  }
}

/// out[x] = sum over k of taps[k] * row[x + k], for `width` values.
template <class T>
void sum_row(const T* row, std::span<const T> taps, int width, T* out) {
  std::fill_n(out, width, T{0});
  for (size_t k = 0; k < taps.size(); ++k) {
    const T* shifted = row + k;
    const T tap = taps[k];
    for (int x = 0; x < width; ++x) out[x] += tap * shifted[x];
  }
}

}  // namespace wan
