// A picture made small, for a page that holds it.
#pragma once

#include <cstddef>
#include <filesystem>
#include <string>

namespace wan {

inline constexpr int kSmallPictureSide = 640;                // pixels of the longer side, at most
inline constexpr size_t kSmallPictureBytes = size_t{60000};  // of the JPEG, at most

/// The PNG file as a JPEG, scaled down (Lanczos) where it is larger. The file is read as PNG, whatever it holds, and a
/// picture of more pixels than a frame has is refused before it is decoded. Throws Error(kInput) naming the file.
std::string small_picture(const std::filesystem::path& png);

}  // namespace wan
