#include "serve/still_frames.h"

#include <utility>

#include "io/image.h"

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
  if (seen_ == video_.num_frames / kHalf) middle_.assign(rgb.begin(), rgb.end());
  if (++seen_ == video_.num_frames) last_.assign(rgb.begin(), rgb.end());
}

void StillFrames::finish() {
  const int width = static_cast<int>(video_.width), height = static_cast<int>(video_.height);
  write_png(poster_, width, height, middle_);
  write_png(last_frame_, width, height, last_);
}

void StillFrames::abandon() noexcept {
  middle_.clear();
  last_.clear();
}

}  // namespace wan::serve
