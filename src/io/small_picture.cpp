#include "io/small_picture.h"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "base/error.h"
#include "base/file.h"
#include "io/image_codecs.h"
#include "io/resize.h"

namespace wan {
namespace {

/// A page is made of files from strangers: no frame is larger than this.
constexpr uint64_t kMostPixels = uint64_t{16} << 20;

/// Of the IHDR chunk, which is the first of every PNG; 0 where it is not there.
uint64_t pixels_of_png(std::span<const std::byte> bytes) {
  constexpr size_t kWidthAt = 16, kHeightAt = 20, kHeadBytes = 24;
  if (bytes.size() < kHeadBytes) return 0;
  const auto number_at = [&](size_t at) {
    uint64_t value = 0;
    for (size_t i = 0; i < 4; ++i) value = value << 8 | std::to_integer<uint64_t>(bytes[at + i]);
    return value;
  };
  return number_at(kWidthAt) * number_at(kHeightAt);
}

Image fitted(Image image) {
  const double factor = double(kSmallPictureSide) / std::max(image.width, image.height);
  if (factor >= 1) return image;
  const auto side = [&](int length) { return std::max(1, int(std::lround(length * factor))); };
  return resize_lanczos(image, {side(image.width), side(image.height)});
}

}  // namespace

std::string small_picture(const std::filesystem::path& png) {
  const MappedFile file(png);
  require(looks_like_png(file.bytes()), png.string() + ": not a PNG, which the pictures of a report are");
  const uint64_t pixels = pixels_of_png(file.bytes());
  require(pixels <= kMostPixels, fmt::format("{}: a picture of {} pixels, at most {} are read for a report",
                                             png.string(), pixels, kMostPixels));
  const Image image = fitted(decode_png(file.bytes(), png.string()));
  constexpr int kBestQuality = 88, kWorstQuality = 8, kStep = 20;
  std::string jpeg;
  for (int quality = kBestQuality; quality >= kWorstQuality; quality -= kStep) {
    jpeg = encode_jpeg(image, quality);
    if (jpeg.size() <= kSmallPictureBytes) return jpeg;
  }
  throw Error(ErrorKind::kInput, fmt::format("{}: still {} bytes as a small JPEG, at most {} go into a report",
                                             png.string(), jpeg.size(), kSmallPictureBytes));
}

}  // namespace wan
