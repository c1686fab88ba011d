// A PNG in memory, for who decides himself where it goes.
#pragma once

#include <cstdint>
#include <span>
#include <string>

namespace wan {

/// The bytes of a PNG file of RGB24 [height, width, 3]. Throws Error(kRuntime) when `rgb` has another size.
std::string png_text(int width, int height, std::span<const uint8_t> rgb);

}  // namespace wan
