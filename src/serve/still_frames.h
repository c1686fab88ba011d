// Two pictures of a video beside it: its middle frame as a poster, and its last frame.
#pragma once

#include <filesystem>

#include "pipeline/frame_consumer.h"

namespace wan::serve {

/// Written as PNG when their frame comes, while later ones are computed; each under its name at once. A video that is
/// not completed leaves none.
class StillFrames final : public FrameConsumer {
 public:
  StillFrames(std::filesystem::path poster, std::filesystem::path last_frame);
  void begin(const VideoInfo& video) override;
  void frame(std::span<const uint8_t> rgb) override;
  void finish() override {}
  void abandon() noexcept override;

 private:
  std::filesystem::path poster_, last_frame_;
  VideoInfo video_;
  int64_t seen_ = 0;
};

}  // namespace wan::serve
