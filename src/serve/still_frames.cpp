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

void StillFrames::write(const std::filesystem::path& file, std::span<const uint8_t> rgb) {
  pictures_.push_back(std::async(std::launch::async, [&file, width = video_.width, height = video_.height,
                                                      frame = std::vector<uint8_t>(rgb.begin(), rgb.end())] {
    write_picture(file, width, height, frame);
  }));
}

void StillFrames::frame(std::span<const uint8_t> rgb) {
  if (seen_ == video_.num_frames / kHalf) write(poster_, rgb);
  if (++seen_ == video_.num_frames) write(last_frame_, rgb);
}

void StillFrames::describe(const VideoFacts&) {
  for (std::future<void>& picture : pictures_) picture.get();
  pictures_.clear();
}

void StillFrames::abandon() noexcept {
  pictures_.clear();  // each waits for its end
  for (const auto* file : {&poster_, &last_frame_}) {
    std::error_code ignored;
    std::filesystem::remove(*file, ignored);
  }
}

}  // namespace wan::serve
