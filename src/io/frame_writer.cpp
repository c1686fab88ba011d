// Frames as numbered PNG files; needs no FFmpeg.
#include <fmt/format.h>

#include "base/error.h"
#include "io/image.h"
#include "io/video_writer.h"

namespace wan {

FrameWriter::FrameWriter(const std::filesystem::path& folder, int width, int height)
    : folder_(folder), width_(width), height_(height) {
  require(width > 0 && height > 0, fmt::format("cannot write frames of {} x {}", width, height), ErrorKind::kUsage);
  std::error_code failure;
  std::filesystem::create_directories(folder, failure);
  if (failure) throw Error(fmt::format("cannot create folder {}: {}", folder.string(), failure.message()));
}

std::filesystem::path FrameWriter::file(int index) const { return folder_ / fmt::format("frame_{:05}.png", index); }

void FrameWriter::write(std::span<const uint8_t> rgb24_frame) {
  write_png(file(count_), width_, height_, rgb24_frame);
  ++count_;
}

void FrameWriter::remove_written() noexcept {
  std::error_code ignored;
  for (; count_ > 0; --count_) std::filesystem::remove(file(count_ - 1), ignored);
}

}  // namespace wan
