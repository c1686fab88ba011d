// The two decoders behind decode_image, what they share, and the JPEG encoder. Internal to io.
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "io/image.h"

namespace wan {

bool looks_like_png(std::span<const std::byte> bytes);
bool looks_like_jpeg(std::span<const std::byte> bytes);
Image decode_png(std::span<const std::byte> bytes, const std::string& where);
Image decode_jpeg(std::span<const std::byte> bytes, const std::string& where);

/// A JPEG of the image in memory; quality from 1 to 100. Throws Error(kRuntime) when libjpeg fails.
std::string encode_jpeg(const Image& image, int quality);

/// An Image of that size, after checking the limits of image.h. Throws Error(kInput) begun with `where`.
Image allocate_image(uint64_t width, uint64_t height, const std::string& where);

}  // namespace wan
