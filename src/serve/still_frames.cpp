#include "serve/still_frames.h"

#include <system_error>
#include <utility>

#include "serve/picture_file.h"

namespace wan::serve {
namespace {

constexpr int64_t kHalf = 2;  // where the poster lies

}  // namespace

StillFrames::StillFrames(std::filesystem::path poster, std::filesystem::path last_frame)
    : poster_(std::move(poster)), last_frame_(std::move(last_frame)) {}

void StillFrames::begin(const VideoInfo& video) {
  video_ = video;
  seen_ = 0;
}

void StillFrames::frame(std::span<const uint8_t> rgb) {
  const auto write = [&](const std::filesystem::path& file) { write_picture(file, video_.width, video_.height, rgb); };
  if (seen_ == video_.num_frames / kHalf) write(poster_);
  if (++seen_ == video_.num_frames) write(last_frame_);
}

void StillFrames::abandon() noexcept {
  for (const auto* file : {&poster_, &last_frame_}) {
    std::error_code ignored;
    std::filesystem::remove(*file, ignored);
  }
}

}  // namespace wan::serve
