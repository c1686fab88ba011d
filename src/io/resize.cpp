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

double triangle(double x) { return std::max(0.0, 1.0 - std::abs(x)); }

using Filter = double (*)(double x);

/// What one output position takes: the weights, which add up to 1, of the inputs from `first` on.
struct RealTaps {
  int first = 0;
  std::vector<double> weights;
};

RealTaps real_taps(Filter filter, double radius, int in, int out, int index) {
  const double scale = static_cast<double>(in) / out;
  const double filter_scale = std::max(scale, 1.0);
  const double support = radius * filter_scale;
  const double centre = (index + 0.5) * scale;
  RealTaps taps{std::max(static_cast<int>(centre - support + 0.5), 0), {}};
  const int last = std::min(static_cast<int>(centre + support + 0.5), in);  // exclusive
  double sum = 0.0;
  for (int x = taps.first; x < last; ++x) {
    taps.weights.push_back(filter((x - centre + 0.5) * (1.0 / filter_scale)));
    sum += taps.weights.back();
  }
  for (double& weight : taps.weights)
    if (sum != 0.0) weight /= sum;
  return taps;
}

/// What one output position takes: integer weights of the inputs from `first` on.
struct Taps {
  int first = 0;
  std::vector<int32_t> weights;
};

std::vector<Taps> taps_of(Filter filter, double radius, int in, int out) {
  std::vector<Taps> taps(static_cast<size_t>(out));
  for (int i = 0; i < out; ++i) {
    const RealTaps real = real_taps(filter, radius, in, out, i);
    Taps& at = taps[static_cast<size_t>(i)];
    at.first = real.first;
    for (const double weight : real.weights) {
      const double scaled = weight * (1 << kFractionBits);
      at.weights.push_back(static_cast<int32_t>(scaled < 0 ? scaled - 0.5 : scaled + 0.5));
    }
  }
  return taps;
}

uint8_t to_byte(int32_t sum) { return static_cast<uint8_t>(std::clamp(sum >> kFractionBits, 0, 255)); }

Image resize_rows(const Image& image, int width, Filter filter, double radius) {
  const auto taps = taps_of(filter, radius, image.width, width);
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

Image resize_columns(const Image& image, int height, Filter filter, double radius) {
  const auto taps = taps_of(filter, radius, image.height, height);
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

Image resize(const Image& image, Size size, Filter filter, double radius) {
  require(size.width > 0 && size.height > 0 && size.width <= kMaxImageSide && size.height <= kMaxImageSide,
          fmt::format("cannot resize an image to {} x {}: sides are 1 to {}", size.width, size.height, kMaxImageSide));
  Image out = size.width == image.width ? image : resize_rows(image, size.width, filter, radius);
  return size.height == image.height ? out : resize_columns(out, size.height, filter, radius);
}

/// torch's, of one plane; each output position by the same weights as Pillow's, not rounded.
std::vector<float> resize_bilinear(std::span<const float> plane, Size from, Size to) {
  std::vector<float> rows(static_cast<size_t>(from.height) * static_cast<size_t>(to.width));
  std::vector<float> out(static_cast<size_t>(to.height) * static_cast<size_t>(to.width));
  const auto width = static_cast<size_t>(to.width);
  for (int i = 0; i < to.width; ++i) {
    const RealTaps taps = real_taps(triangle, 1.0, from.width, to.width, i);
    for (size_t y = 0; y < static_cast<size_t>(from.height); ++y) {
      double sum = 0;
      for (size_t k = 0; k < taps.weights.size(); ++k)
        sum += taps.weights[k] * plane[y * static_cast<size_t>(from.width) + static_cast<size_t>(taps.first) + k];
      rows[y * width + static_cast<size_t>(i)] = static_cast<float>(sum);
    }
  }
  for (int i = 0; i < to.height; ++i) {
    const RealTaps taps = real_taps(triangle, 1.0, from.height, to.height, i);
    for (size_t x = 0; x < width; ++x) {
      double sum = 0;
      for (size_t k = 0; k < taps.weights.size(); ++k)
        sum += taps.weights[k] * rows[(static_cast<size_t>(taps.first) + k) * width + x];
      out[static_cast<size_t>(i) * width + x] = static_cast<float>(sum);
    }
  }
  return out;
}

constexpr int kLinearBits = 11;  // of OpenCV's weights

/// Two neighbours and their weights, which add up to 1 << kLinearBits.
struct LinearTap {
  int first = 0, second = 0;
  int32_t weight_first = 0, weight_second = 0;
};

/// Beyond an edge a row's neighbours are the edge, each with its weight; a column's is the edge alone.
enum class Axis { kColumns, kRows };

std::vector<LinearTap> linear_taps_of(Axis axis, int in, int out) {
  constexpr float kOne = 1 << kLinearBits;
  const double scale = 1.0 / (static_cast<double>(out) / in);
  std::vector<LinearTap> taps;
  for (int i = 0; i < out; ++i) {
    auto at = static_cast<float>((i + 0.5) * scale - 0.5);
    int below = static_cast<int>(std::floor(at));
    at -= static_cast<float>(below);
    if (axis == Axis::kColumns && (below < 0 || below >= in - 1)) at = 0;
    const auto weight = [](float share) { return static_cast<int32_t>(std::nearbyint(share * kOne)); };
    const int first = std::clamp(below, 0, in - 1);
    const int second = at > 0 ? std::clamp(below + 1, 0, in - 1) : first;
    taps.push_back({first, second, weight(1.0f - at), weight(at)});
  }
  return taps;
}

/// cv2.resize of 8-bit pictures, with its steps of rounding.
Image resize_opencv_linear(const Image& image, Size size) {
  constexpr int kDropped = 4, kShift = 16, kLast = 2;  // bits: of rows, of their products, of the sum
  const auto across = linear_taps_of(Axis::kColumns, image.width, size.width);
  const auto down = linear_taps_of(Axis::kRows, image.height, size.height);
  Image out{size.width, size.height, {}};
  out.rgb.reserve(static_cast<size_t>(size.width) * static_cast<size_t>(size.height) * kChannels);
  const auto along = [&](int row, const LinearTap& tap, size_t channel) {
    const uint8_t* from = image.rgb.data() + static_cast<size_t>(row) * static_cast<size_t>(image.width) * kChannels;
    return from[static_cast<size_t>(tap.first) * kChannels + channel] * tap.weight_first +
           from[static_cast<size_t>(tap.second) * kChannels + channel] * tap.weight_second;
  };
  for (const LinearTap& y : down)
    for (const LinearTap& x : across)
      for (size_t channel = 0; channel < kChannels; ++channel) {
        const auto share = [&](int row, int32_t weight) {
          return (weight * (along(row, x, channel) >> kDropped)) >> kShift;
        };
        const int32_t sum = share(y.first, y.weight_first) + share(y.second, y.weight_second);
        out.rgb.push_back(static_cast<uint8_t>((sum + (1 << (kLast - 1))) >> kLast));
      }
  return out;
}

/// So that the shorter side becomes the shorter of `size`. Throws Error(kInput) for sides that are too unequal.
Size by_shorter_side(Size image, Size size) {
  const int side = std::min(size.width, size.height);
  const auto longer = [&](int longer_side, int shorter_side) {
    return std::floor(static_cast<double>(side) * longer_side / shorter_side);
  };
  const int64_t area = int64_t{size.width} * size.height;
  return image.width <= image.height ? checked_size(side, longer(image.height, image.width), image, area)
                                     : checked_size(longer(image.width, image.height), side, image, area);
}

/// Where an axis of `from` positions is cut to `to` or filled up to it: the first position taken, and the first filled.
struct Placed {
  int from = 0, to = 0, count = 0;
};
Placed placed(int from, int to) {
  if (from < to) return {0, (to - from) / 2, from};
  return {static_cast<int>(std::nearbyint((from - to) / 2.0)), 0, to};  // half to even, as Python's round
}

}  // namespace

Image resize_lanczos(const Image& image, Size size) { return resize(image, size, lanczos, kLanczosRadius); }

Size shrunk_output_size(Size image, int step, int64_t area) {
  const double height = image.height, width = image.width, pixels = height * width, most = static_cast<double>(area);
  double least_scale = 0.1, most_scale = 1.0;
  if (pixels > most) {
    const double d = step - 1, b = d * (height + width), c = d * d - most;
    least_scale = (-b + std::sqrt(b * b - 2 * pixels * c)) / (2 * pixels);  // the source's 2ac, where 4ac is meant
    most_scale = std::sqrt(most / pixels);
  }
  constexpr int kTries = 100;
  const auto up = [step](double side) {
    return static_cast<double>((static_cast<int64_t>(side) + step - 1) / step * step);
  };
  for (int i = 0; i < kTries; ++i) {
    const double scale = most_scale - (most_scale - least_scale) * i / kTries;
    const double h = up(height * scale), w = up(width * scale);
    if (h * w <= most) return checked_size(w, h, image, area);
  }
  const double ratio = width / height, w = std::sqrt(most * ratio), h = w / ratio;
  const auto down = [step](double side) { return std::floor(side / step) * step; };
  return checked_size(down(w), down(h), image, area);
}

Image fit_padded(const Image& image, Size size) {
  const Image scaled = resize(image, by_shorter_side({image.width, image.height}, size), triangle, 1.0);
  const Placed x = placed(scaled.width, size.width), y = placed(scaled.height, size.height);
  const auto offset = [](int row, int column, int width) {
    return (static_cast<size_t>(row) * static_cast<size_t>(width) + static_cast<size_t>(column)) * kChannels;
  };
  Image out{size.width, size.height, std::vector<uint8_t>(offset(size.height, 0, size.width))};
  for (int row = 0; row < y.count; ++row)
    std::copy_n(scaled.rgb.data() + offset(y.from + row, x.from, scaled.width),
                static_cast<size_t>(x.count) * kChannels, out.rgb.data() + offset(y.to + row, x.to, size.width));
  return out;
}

Image fit_inside(const Image& image, Size size) {
  const auto real = [](int value) { return static_cast<double>(value); };
  const bool by_height = real(image.height) / image.width > real(size.height) / size.width;
  const double width = by_height ? real(size.height) / image.height * image.width : size.width;
  const double height = by_height ? size.height : real(size.width) / image.width * image.height;
  const Size scaled = checked_size(std::floor(width), std::floor(height), {image.width, image.height},
                                   int64_t{size.width} * size.height);
  const Image inside = resize_opencv_linear(image, scaled);
  const int left = (size.width - scaled.width) / 2, top = (size.height - scaled.height) / 2;
  Image out{size.width, size.height,
            std::vector<uint8_t>(static_cast<size_t>(size.width) * static_cast<size_t>(size.height) * kChannels)};
  for (int row = 0; row < scaled.height; ++row)
    std::copy_n(
        inside.rgb.data() + static_cast<size_t>(row) * static_cast<size_t>(scaled.width) * kChannels,
        static_cast<size_t>(scaled.width) * kChannels,
        out.rgb.data() +
            (static_cast<size_t>(top + row) * static_cast<size_t>(size.width) + static_cast<size_t>(left)) * kChannels);
  return out;
}

std::vector<float> fit_padded(std::span<const float> planes, Size from, Size size) {
  const auto pixels = [](Size of) { return static_cast<size_t>(of.width) * static_cast<size_t>(of.height); };
  require_op(planes.size() == kChannels * pixels(from), "planes and size disagree");
  const Size scaled = by_shorter_side(from, size);
  const Placed x = placed(scaled.width, size.width), y = placed(scaled.height, size.height);
  std::vector<float> out(kChannels * pixels(size));
  for (size_t c = 0; c < kChannels; ++c) {
    const std::vector<float> plane = resize_bilinear(planes.subspan(c * pixels(from), pixels(from)), from, scaled);
    for (int row = 0; row < y.count; ++row)
      std::copy_n(plane.data() + static_cast<size_t>(y.from + row) * static_cast<size_t>(scaled.width) +
                      static_cast<size_t>(x.from),
                  x.count,
                  out.data() + c * pixels(size) + static_cast<size_t>(y.to + row) * static_cast<size_t>(size.width) +
                      static_cast<size_t>(x.to));
  }
  return out;
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
