// Pictures beside a video: each under its name at once, and not waited for. What must outlive a crash is synced by who
// needs that.
#pragma once

#include <cstdint>
#include <filesystem>
#include <span>

namespace wan::serve {

/// RGB24 [height, width, 3] as PNG. Throws Error(kUsage, kRuntime) naming the file.
void write_picture(const std::filesystem::path& file, int64_t width, int64_t height, std::span<const uint8_t> rgb);

}  // namespace wan::serve
