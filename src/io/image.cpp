// Tells image formats apart and bounds what they may claim.
#include "io/image.h"

#include <fmt/format.h>

#include "base/error.h"
#include "base/file.h"
#include "io/image_codecs.h"

namespace wan {

Image read_image(const std::filesystem::path& path) {
  const MappedFile file(path);
  return decode_image(file.bytes(), path.string());
}

Image decode_image(std::span<const std::byte> bytes, const std::string& where) {
  if (looks_like_png(bytes)) return decode_png(bytes, where);
  if (looks_like_jpeg(bytes)) return decode_jpeg(bytes, where);
  throw Error(ErrorKind::kInput, where + ": neither PNG nor JPEG: convert it to one of them");
}

Image allocate_image(uint64_t width, uint64_t height, const std::string& where) {
  const bool fits = width > 0 && height > 0 && width <= kMaxImageSide && height <= kMaxImageSide &&
                    width * height <= static_cast<uint64_t>(kMaxImagePixels);
  require(fits, fmt::format("{}: an image of {} x {}, at most {} a side and {} pixels are read: scale it down", where,
                            width, height, kMaxImageSide, kMaxImagePixels));
  return {static_cast<int>(width), static_cast<int>(height), std::vector<uint8_t>(width * height * 3)};
}

}  // namespace wan
