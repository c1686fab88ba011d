// Two pictures of a video beside it: its middle frame as a poster, and its last frame.
#pragma once

#include <filesystem>
#include <future>
#include <vector>

#include "pipeline/frame_consumer.h"

namespace wan::serve {

/// Written as PNG by a thread of their own while later frames are computed and encoded: a picture takes as long as many
/// frames of H.264 do. Each is under its name at once; `describe` waits for both, and throws what went wrong. A video
/// that is not completed leaves none.
class StillFrames final : public FrameConsumer {
 public:
  StillFrames(std::filesystem::path poster, std::filesystem::path last_frame);
  void begin(const VideoInfo& video) override;
  void frame(std::span<const uint8_t> rgb) override;
  void describe(const VideoFacts&) override;
  void finish() override {}
  void abandon() noexcept override;

 private:
  void write(const std::filesystem::path& file, std::span<const uint8_t> rgb);

  std::filesystem::path poster_, last_frame_;
  VideoInfo video_;
  int64_t seen_ = 0;
  std::vector<std::future<void>> pictures_;
};

}  // namespace wan::serve
