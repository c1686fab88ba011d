#include "pipeline/latent_colours.h"

#include <algorithm>
#include <cassert>
#include <cmath>

namespace wan {
namespace {

constexpr double kRidge = 1e-3;  // of the samples' number, on each coefficient
constexpr int64_t kColours = 3;

uint8_t byte_of(double colour) {
  return static_cast<uint8_t>(std::lround(std::clamp((colour + 1) / 2, 0.0, 1.0) * UINT8_MAX));
}

/// Solves a x = b in place for a symmetric positive definite a [n, n] (Cholesky) and `columns` right-hand sides b [n,
/// columns].
void solve(std::vector<double>& a, std::vector<double>& b, size_t n, size_t columns) {
  for (size_t j = 0; j < n; ++j) {
    for (size_t k = 0; k < j; ++k)
      for (size_t i = j; i < n; ++i) a[i * n + j] -= a[i * n + k] * a[j * n + k];
    const double root = std::sqrt(a[j * n + j]);
    for (size_t i = j; i < n; ++i) a[i * n + j] /= root;
  }
  for (size_t c = 0; c < columns; ++c) {
    for (size_t i = 0; i < n; ++i) {
      for (size_t k = 0; k < i; ++k) b[i * columns + c] -= a[i * n + k] * b[k * columns + c];
      b[i * columns + c] /= a[i * n + i];
    }
    for (size_t i = n; i-- > 0;) {
      for (size_t k = i + 1; k < n; ++k) b[i * columns + c] -= a[k * n + i] * b[k * columns + c];
      b[i * columns + c] /= a[i * n + i];
    }
  }
}

}  // namespace

LatentColours fit_colours(std::span<const float> latents, std::span<const float> colours, int64_t channels) {
  const auto z = static_cast<size_t>(channels), n = z + 1, samples = latents.size() / z;
  assert(colours.size() == samples * kColours);
  std::vector<double> products(n * n), right(n * kColours), row(n, 1.0);
  for (size_t s = 0; s < samples; ++s) {
    std::copy_n(latents.begin() + static_cast<std::ptrdiff_t>(s * z), z, row.begin());
    for (size_t i = 0; i < n; ++i) {
      for (size_t j = 0; j < n; ++j) products[i * n + j] += row[i] * row[j];
      for (size_t c = 0; c < kColours; ++c) right[i * kColours + c] += row[i] * colours[s * kColours + c];
    }
  }
  for (size_t i = 0; i < n; ++i) products[i * n + i] += kRidge * static_cast<double>(samples);
  solve(products, right, n, kColours);
  LatentColours map{channels, std::vector<float>(kColours * n)};
  for (size_t c = 0; c < kColours; ++c)
    for (size_t i = 0; i < n; ++i) map.weights[c * n + i] = static_cast<float>(right[i * kColours + c]);
  return map;
}

Preview LatentColours::picture(std::span<const float> latent, int64_t height, int64_t width) const {
  const int64_t stride = (std::max(height, width) + kMostPreviewSide - 1) / kMostPreviewSide;
  Preview out;
  out.height = (height + stride - 1) / stride;
  out.width = (width + stride - 1) / stride;
  out.rgb.reserve(static_cast<size_t>(out.height * out.width * kColours));
  for (int64_t y = 0; y < height; y += stride)
    for (int64_t x = 0; x < width; x += stride)
      for (int64_t c = 0; c < kColours; ++c) {
        const float* row = weights.data() + c * (channels + 1);
        double colour = row[channels];
        for (int64_t i = 0; i < channels; ++i)
          colour += static_cast<double>(row[i]) * latent[static_cast<size_t>((i * height + y) * width + x)];
        out.rgb.push_back(byte_of(colour));
      }
  return out;
}

}  // namespace wan
