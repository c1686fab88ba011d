#include "io/orientation.h"

#include <cstdint>
#include <cstring>
#include <optional>
#include <string_view>
#include <utility>

#include "base/file.h"
#include "io/image_codecs.h"

namespace wan {
namespace {

using Bytes = std::span<const std::byte>;

enum class Order { kBig, kLittle };

/// The number of `count` bytes at `at`; nothing behind the end.
std::optional<uint64_t> number_at(Bytes bytes, uint64_t at, int count, Order order = Order::kBig) {
  if (at > bytes.size() || bytes.size() - at < static_cast<uint64_t>(count)) return std::nullopt;
  uint64_t value = 0;
  for (int i = 0; i < count; ++i) {
    const int place = order == Order::kBig ? i : count - 1 - i;
    value = value << 8 | static_cast<uint64_t>(bytes[static_cast<size_t>(at) + static_cast<size_t>(place)]);
  }
  return value;
}

bool begins(Bytes bytes, std::string_view text) {
  return bytes.size() >= text.size() && std::memcmp(bytes.data(), text.data(), text.size()) == 0;
}

/// The orientation in the first directory of a TIFF, which is what EXIF is; 0: none.
int orientation_in_tiff(Bytes tiff) {
  constexpr uint64_t kTag = 0x0112, kShort = 3, kEntryBytes = 12;
  const Order order = begins(tiff, "II") ? Order::kLittle : Order::kBig;
  if (order == Order::kBig && !begins(tiff, "MM")) return 0;
  const auto directory = number_at(tiff, 4, 4, order);
  const auto entries = directory ? number_at(tiff, *directory, 2, order) : std::nullopt;
  for (uint64_t i = 0; entries && i < *entries; ++i) {
    const uint64_t at = *directory + 2 + i * kEntryBytes;
    const auto tag = number_at(tiff, at, 2, order);
    if (!tag) return 0;
    if (*tag != kTag) continue;
    const auto type = number_at(tiff, at + 2, 2, order), value = number_at(tiff, at + 8, 2, order);
    return type && *type == kShort && value && *value >= 1 && *value <= 8 ? static_cast<int>(*value) : 0;
  }
  return 0;
}

/// In a segment APP1 ahead of the picture.
int orientation_in_jpeg(Bytes file) {
  constexpr uint64_t kApp1 = 0xe1, kScan = 0xda, kStart = 0xd8, kMark = 0xff;
  constexpr std::string_view kExif("Exif\0\0", 6);
  uint64_t at = 2;
  while (true) {
    const auto mark = number_at(file, at, 1), kind = number_at(file, at + 1, 1), length = number_at(file, at + 2, 2);
    if (!mark || *mark != kMark || !kind || *kind == kScan || *kind == kStart || !length || *length < 2) return 0;
    if (*kind == kMark) {  // filling
      ++at;
      continue;
    }
    if (file.size() - at - 2 < *length) return 0;
    const Bytes segment = file.subspan(static_cast<size_t>(at) + 4, static_cast<size_t>(*length) - 2);
    if (*kind == kApp1 && begins(segment, kExif)) return orientation_in_tiff(segment.subspan(kExif.size()));
    at += 2 + *length;
  }
}

/// In a chunk eXIf.
int orientation_in_png(Bytes file) {
  constexpr uint64_t kSignature = 8, kAround = 12;  // length, name and checksum of a chunk
  uint64_t at = kSignature;
  while (const auto length = number_at(file, at, 4)) {
    if (file.size() - at < kAround || file.size() - at - kAround < *length) return 0;
    const Bytes name = file.subspan(static_cast<size_t>(at) + 4, 4);
    if (begins(name, "eXIf")) return orientation_in_tiff(file.subspan(static_cast<size_t>(at) + 8, *length));
    if (begins(name, "IEND")) return 0;
    at += kAround + *length;
  }
  return 0;
}

}  // namespace

int exif_orientation(Bytes file) {
  const int found = looks_like_jpeg(file)  ? orientation_in_jpeg(file)
                    : looks_like_png(file) ? orientation_in_png(file)
                                           : 0;
  return found == 0 ? 1 : found;
}

Image turned_upright(Image image, int orientation) {
  if (orientation <= 1 || orientation > 8) return image;
  const bool swaps = orientation >= 5;  // rows become columns
  const bool from_right = orientation == 2 || orientation == 3 || orientation == 7 || orientation == 8;
  const bool from_bottom = orientation == 3 || orientation == 4 || orientation == 6 || orientation == 7;
  Image out{swaps ? image.height : image.width, swaps ? image.width : image.height, {}};
  out.rgb.reserve(image.rgb.size());
  for (int y = 0; y < out.height; ++y)
    for (int x = 0; x < out.width; ++x) {
      int row = swaps ? x : y, column = swaps ? y : x;
      if (from_bottom) row = image.height - 1 - row;
      if (from_right) column = image.width - 1 - column;
      const size_t at = (static_cast<size_t>(row) * static_cast<size_t>(image.width) + static_cast<size_t>(column)) * 3;
      for (size_t channel = 0; channel < 3; ++channel) out.rgb.push_back(image.rgb[at + channel]);
    }
  return out;
}

Image read_upright_image(const std::filesystem::path& path) {
  const MappedFile file(path);
  return turned_upright(decode_image(file.bytes(), path.string()), exif_orientation(file.bytes()));
}

}  // namespace wan
