// How a picture was held when it was taken: the EXIF orientation of JPEG and PNG files.
#pragma once

#include <cstddef>
#include <filesystem>
#include <span>

#include "io/image.h"

namespace wan {

/// 1 to 8 as EXIF has them; 1, upright, where the file says none or what it says cannot be read. Never throws.
int exif_orientation(std::span<const std::byte> file);

/// The picture of that orientation turned and mirrored until it is upright.
Image turned_upright(Image image, int orientation);

/// read_image, turned upright, as OpenCV's imread does.
Image read_upright_image(const std::filesystem::path& path);

}  // namespace wan
