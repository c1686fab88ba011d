// Still images in and out: PNG and JPEG to 8-bit RGB as Pillow's convert("RGB") gives it, and PNG files.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

namespace wan {

inline constexpr int kMaxImageSide = 16384;
inline constexpr int64_t kMaxImagePixels = int64_t{256} << 20;

/// 8-bit RGB, rows from the top, [height, width, 3].
struct Image {
  int width = 0;
  int height = 0;
  std::vector<uint8_t> rgb;
};

/// Reads a PNG or JPEG, told by content. As Pillow's convert("RGB"): alpha is dropped, grey and palette are expanded,
/// of 16-bit samples the high byte is kept (also for grey without alpha, which Pillow clips to white), gamma, profiles
/// and EXIF orientation are ignored. Throws Error(kInput) naming the file: damaged, truncated, more than kMaxImageSide
/// a side or kMaxImagePixels, CMYK.
Image read_image(const std::filesystem::path& path);

/// The same for a file's bytes; `where` begins error messages.
Image decode_image(std::span<const std::byte> bytes, const std::string& where);

/// Writes a PNG beside the target and renames it. `rgb` is [height, width, 3]. Throws Error(kRuntime).
void write_png(const std::filesystem::path& path, int width, int height, std::span<const uint8_t> rgb);
inline void write_png(const std::filesystem::path& path, const Image& image) {
  write_png(path, image.width, image.height, image.rgb);
}

}  // namespace wan
