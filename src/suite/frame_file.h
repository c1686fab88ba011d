// The frames of a video as they were computed, in a file of its own for as long as somebody compares them.
#pragma once

#include <filesystem>
#include <fstream>
#include <memory>

#include "io/video_frames.h"
#include "pipeline/frame_consumer.h"

namespace wan::suite {

/// Takes one video. RGB24 frames one behind the other, without a header: nobody else reads the file. It has its name
/// once it is kept: what was kept under that name before outlives a video that fails.
class FrameFile final : public FrameConsumer {
 public:
  explicit FrameFile(std::filesystem::path path) : path_(std::move(path)) {}
  ~FrameFile() override {
    if (!is_kept_) abandon();
  }
  FrameFile(const FrameFile&) = delete;
  FrameFile& operator=(const FrameFile&) = delete;

  /// Throws Error(kRuntime) naming the file that cannot be written, as `frame` and `finish` do.
  void begin(const VideoInfo& video) override;
  void frame(std::span<const uint8_t> rgb) override;
  void finish() override;
  void abandon() noexcept override;

  /// From the first frame on, of a video that is finished. This must outlive it.
  std::unique_ptr<VideoFrames> open() const;
  /// Leaves the file of a video that is finished behind. Throws Error(kRuntime) naming it.
  void keep();

 private:
  void require_written() const;
  std::filesystem::path part() const;
  bool is_kept_ = false;
  std::filesystem::path path_;
  std::ofstream out_;
  VideoInfo video_;
};

/// The frames of a file that was kept, of this size, length and rate. Throws Error(kRuntime) naming one that cannot be
/// read or is of another length.
std::unique_ptr<VideoFrames> open_kept_frames(const std::filesystem::path& path, const VideoInfo& video);

}  // namespace wan::suite
