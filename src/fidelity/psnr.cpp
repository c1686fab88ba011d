#include "fidelity/psnr.h"

#include <algorithm>
#include <cassert>
#include <cmath>

namespace wan {
namespace {

/// Sum of squares of difference(i), each at most 510 in size: a block's sum fits 32 bits, which vectorises.
template <class Difference>
double mean_square(size_t count, const Difference& difference) {
  constexpr size_t kBlock = size_t{1} << 13;  // 8192 * 510^2 < 2^32
  uint64_t sum = 0;
  for (size_t begin = 0; begin < count; begin += kBlock) {
    uint32_t block = 0;
    for (size_t i = begin; i < std::min(count, begin + kBlock); ++i) {
      const int d = difference(i);
      block += static_cast<uint32_t>(d * d);
    }
    sum += block;
  }
  return static_cast<double>(sum) / static_cast<double>(count);
}

}  // namespace

double mean_squared_error(std::span<const uint8_t> a, std::span<const uint8_t> b) {
  assert(a.size() == b.size() && !a.empty());
  return mean_square(a.size(), [&](size_t i) { return a[i] - b[i]; });
}

double mean_squared_change(std::span<const uint8_t> a_before, std::span<const uint8_t> a,
                           std::span<const uint8_t> b_before, std::span<const uint8_t> b) {
  assert(a.size() == b.size() && a.size() == a_before.size() && b.size() == b_before.size() && !a.empty());
  return mean_square(a.size(), [&](size_t i) { return (a[i] - a_before[i]) - (b[i] - b_before[i]); });
}

Score psnr_of(double mean_squared_error) {
  constexpr double kPeak = 255;
  if (mean_squared_error <= 0) return no_score(kIdentical);
  return scored(10 * std::log10(kPeak * kPeak / mean_squared_error));
}

}  // namespace wan
