// Frames as numbered PNG files; needs no FFmpeg.
#include <utility>

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
  UnfinishedFile frame(file(count()));
  write_png(frame.path(), width_, height_, rgb24_frame);
  written_.push_back(std::move(frame));
}

void FrameWriter::remove_written() noexcept {
  std::error_code ignored;
  for (const UnfinishedFile& frame : written_) std::filesystem::remove(frame.path(), ignored);
  written_.clear();
}

}  // namespace wan
