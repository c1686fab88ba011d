// The two resamplers are kept bit-exact with their originals where those are exact: Pillow's in fixed point, torch's in
// float32.
#include "io/resize.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <numbers>

#include <fmt/format.h>

#include "base/error.h"

namespace wan {
namespace {

constexpr int kChannels = 3;
constexpr int kFractionBits = 22;  // of Pillow's integer weights: 32 less 8 for the byte and 2 against overflow
constexpr double kLanczosRadius = 3.0;

double sinc(double x) {
  if (x == 0.0) return 1.0;
  x *= std::numbers::pi;
  return std::sin(x) / x;
}

double lanczos(double x) {
  return -kLanczosRadius <= x && x < kLanczosRadius ? sinc(x) * sinc(x / kLanczosRadius) : 0.0;
}

/// What one output position takes: integer weights of the inputs from `first` on.
struct Taps {
  int first = 0;
  std::vector<int32_t> weights;
};

std::vector<Taps> lanczos_taps(int in, int out) {
  const double scale = static_cast<double>(in) / out;
  const double filter_scale = std::max(scale, 1.0);
  const double support = kLanczosRadius * filter_scale;
  std::vector<Taps> taps(static_cast<size_t>(out));
  std::vector<double> weights;
  for (int i = 0; i < out; ++i) {
    const double centre = (i + 0.5) * scale;
    const int first = std::max(static_cast<int>(centre - support + 0.5), 0);
    const int last = std::min(static_cast<int>(centre + support + 0.5), in);  // exclusive
    weights.clear();
    double sum = 0.0;
    for (int x = first; x < last; ++x) {
      weights.push_back(lanczos((x - centre + 0.5) * (1.0 / filter_scale)));
      sum += weights.back();
    }
    Taps& at = taps[static_cast<size_t>(i)];
    at.first = first;
    for (double weight : weights) {
      const double scaled = (sum != 0.0 ? weight / sum : weight) * (1 << kFractionBits);
      at.weights.push_back(static_cast<int32_t>(scaled < 0 ? scaled - 0.5 : scaled + 0.5));
    }
  }
  return taps;
}

uint8_t to_byte(int32_t sum) { return static_cast<uint8_t>(std::clamp(sum >> kFractionBits, 0, 255)); }

Image resize_rows(const Image& image, int width) {
  const auto taps = lanczos_taps(image.width, width);
  Image out{width, image.height,
            std::vector<uint8_t>(static_cast<size_t>(width) * static_cast<size_t>(image.height) * kChannels)};
  uint8_t* to = out.rgb.data();
  for (int y = 0; y < image.height; ++y) {
    const uint8_t* row = image.rgb.data() + static_cast<size_t>(y) * static_cast<size_t>(image.width) * kChannels;
    for (const Taps& tap : taps) {
      std::array<int32_t, kChannels> sums;
      sums.fill(1 << (kFractionBits - 1));
      const uint8_t* from = row + static_cast<size_t>(tap.first) * kChannels;
      for (int32_t weight : tap.weights)
        for (int32_t& sum : sums) sum += weight * *from++;
      for (int32_t sum : sums) *to++ = to_byte(sum);
    }
  }
  return out;
}

Image resize_columns(const Image& image, int height) {
  const auto taps = lanczos_taps(image.height, height);
  const size_t row_bytes = static_cast<size_t>(image.width) * kChannels;
  Image out{image.width, height, std::vector<uint8_t>(row_bytes * static_cast<size_t>(height))};
  std::vector<int32_t> sums(row_bytes);
  uint8_t* to = out.rgb.data();
  for (const Taps& tap : taps) {
    std::fill(sums.begin(), sums.end(), 1 << (kFractionBits - 1));
    const uint8_t* from = image.rgb.data() + static_cast<size_t>(tap.first) * row_bytes;
    for (int32_t weight : tap.weights)
      for (int32_t& sum : sums) sum += weight * *from++;
    for (int32_t sum : sums) *to++ = to_byte(sum);
  }
  return out;
}

Image crop(const Image& image, int left, int top, Size size) {
  Image out{size.width, size.height, {}};
  out.rgb.reserve(static_cast<size_t>(size.width) * static_cast<size_t>(size.height) * kChannels);
  for (int y = 0; y < size.height; ++y) {
    const size_t first =
        (static_cast<size_t>(top + y) * static_cast<size_t>(image.width) + static_cast<size_t>(left)) * kChannels;
    const auto row = image.rgb.begin() + static_cast<std::ptrdiff_t>(first);
    out.rgb.insert(out.rgb.end(), row, row + size.width * kChannels);
  }
  return out;
}

Size checked_size(double width, double height, Size image, int64_t area) {
  require(width >= 1 && height >= 1 && width <= kMaxImageSide && height <= kMaxImageSide,
          fmt::format("an image of {} x {} cannot be fitted to an area of {} pixels: its sides are too unequal",
                      image.width, image.height, area));
  return {static_cast<int>(width), static_cast<int>(height)};
}

/// Four cubic weights and the first of the four inputs, which may lie outside [0, in).
struct CubicTaps {
  int first = 0;
  std::array<float, 4> weights{};
};

CubicTaps cubic_taps(int out_index, int in, int out) {
  constexpr float kA = -0.75f;
  const auto near = [](float x) { return ((kA + 2) * x - (kA + 3)) * x * x + 1; };
  const auto far = [](float x) { return ((kA * x - 5 * kA) * x + 8 * kA) * x - 4 * kA; };
  const float scale = static_cast<float>(in) / static_cast<float>(out);
  const float source = scale * (static_cast<float>(out_index) + 0.5f) - 0.5f;
  const float below = std::min(std::floor(source), static_cast<float>(in - 1));
  const float t = std::clamp(source - below, 0.0f, 1.0f);
  return {static_cast<int>(below) - 1, {far(t + 1), near(t), near(1 - t), far(2 - t)}};
}

std::vector<CubicTaps> cubic_taps_of(int in, int out) {
  std::vector<CubicTaps> taps;
  for (int i = 0; i < out; ++i) taps.push_back(cubic_taps(i, in, out));
  return taps;
}

}  // namespace

Image resize_lanczos(const Image& image, Size size) {
  require(size.width > 0 && size.height > 0 && size.width <= kMaxImageSide && size.height <= kMaxImageSide,
          fmt::format("cannot resize an image to {} x {}: sides are 1 to {}", size.width, size.height, kMaxImageSide));
  Image out = size.width == image.width ? image : resize_rows(image, size.width);
  return size.height == image.height ? out : resize_columns(out, size.height);
}

Size best_output_size(Size image, int step, int64_t area) {
  const double ratio = static_cast<double>(image.width) / image.height;
  const double width = std::sqrt(static_cast<double>(area) * ratio);
  const double height = static_cast<double>(area) / width;
  const auto down = [step](double x) { return std::floor(x / step) * step; };
  const double width_a = down(width);
  const double height_a = down(static_cast<double>(area) / width_a);
  const double height_b = down(height);
  const double width_b = down(static_cast<double>(area) / height_b);
  checked_size(std::min(width_a, width_b), std::min(height_a, height_b), image, area);
  const auto off = [ratio](double w, double h) { return std::max(ratio / (w / h), (w / h) / ratio); };
  const bool a = off(width_a, height_a) < off(width_b, height_b);
  return a ? checked_size(width_a, height_a, image, area) : checked_size(width_b, height_b, image, area);
}

Image fit_covering(const Image& image, Size size) {
  const double scale =
      std::max(static_cast<double>(size.width) / image.width, static_cast<double>(size.height) / image.height);
  // nearbyint rounds half to even, as Python's round
  const Size scaled = checked_size(std::nearbyint(image.width * scale), std::nearbyint(image.height * scale),
                                   {image.width, image.height}, int64_t{size.width} * size.height);
  const Image resized = resize_lanczos(image, scaled);
  return crop(resized, (scaled.width - size.width) / 2, (scaled.height - size.height) / 2, size);
}

Image crop_to_proportions(const Image& image, Size like) {
  require_op(image.width > 0 && image.height > 0 && like.width > 0 && like.height > 0, "an image has pixels");
  const int64_t across = int64_t{image.width} * like.height, down = int64_t{image.height} * like.width;
  if (across == down) return image;
  const auto part = [](int64_t product, int side) {
    return std::max(1, static_cast<int>(std::nearbyint(static_cast<double>(product) / side)));
  };
  Size kept{image.width, image.height};
  if (across > down)
    kept.width = part(down, like.height);
  else
    kept.height = part(across, like.width);
  return crop(image, (image.width - kept.width) / 2, (image.height - kept.height) / 2, kept);
}

Size near_output_size(Size image, int step, int64_t area) {
  const double aspect = static_cast<double>(image.height) / image.width;
  const auto side = [step](double length) { return std::floor(length / step) * step; };
  return checked_size(side(std::sqrt(static_cast<double>(area) / aspect)),
                      side(std::sqrt(static_cast<double>(area) * aspect)), image, area);
}

std::vector<float> to_planes(const Image& image) {
  const size_t pixels = static_cast<size_t>(image.width) * static_cast<size_t>(image.height);
  std::vector<float> planes(pixels * kChannels);
  for (size_t c = 0; c < kChannels; ++c)
    for (size_t i = 0; i < pixels; ++i)
      planes[c * pixels + i] = (static_cast<float>(image.rgb[i * kChannels + c]) / 255.0f - 0.5f) / 0.5f;
  return planes;
}

std::vector<float> resize_bicubic(std::span<const float> planes, int count, Size from, Size to) {
  const auto pixels = [](Size size) { return static_cast<size_t>(size.width) * static_cast<size_t>(size.height); };
  require_op(count > 0 && from.width > 0 && from.height > 0 && to.width > 0 && to.height > 0 &&
                 planes.size() == pixels(from) * static_cast<size_t>(count),
             "planes and sizes disagree");
  const auto across = cubic_taps_of(from.width, to.width);
  const auto down = cubic_taps_of(from.height, to.height);
  std::vector<float> out;
  out.reserve(pixels(to) * static_cast<size_t>(count));
  for (int plane = 0; plane < count; ++plane) {
    const float* source = planes.data() + static_cast<size_t>(plane) * pixels(from);
    for (const CubicTaps& vertical : down)
      for (const CubicTaps& horizontal : across) {
        float sum = 0;
        for (int j = 0; j < 4; ++j) {
          const float* row = source + static_cast<size_t>(std::clamp(vertical.first + j, 0, from.height - 1)) *
                                          static_cast<size_t>(from.width);
          float along = 0;
          for (int i = 0; i < 4; ++i)
            along +=
                row[std::clamp(horizontal.first + i, 0, from.width - 1)] * horizontal.weights[static_cast<size_t>(i)];
          sum += along * vertical.weights[static_cast<size_t>(j)];
        }
        out.push_back(sum);
      }
  }
  return out;
}

}  // namespace wan
