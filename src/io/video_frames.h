// The frames of a video one after the other, from an mp4 or from a folder of PNG files.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>

#include "io/image.h"

namespace wan {

inline constexpr int64_t kMostFrames = 1'000'000;              // of a video that is read
inline constexpr int64_t kMostFramePixels = int64_t{1} << 26;  // 8192 x 8192

/// What a frame's bytes went through after they were computed. PNG files keep them all.
enum class FrameStorage { kPng, kMp4, kAsComputed };

struct FramesFacts {
  std::filesystem::path path;
  FrameStorage storage = FrameStorage::kPng;
  int width = 0, height = 0;
  std::optional<double> fps;      // PNG files do not say
  std::optional<int64_t> frames;  // known ahead; what an mp4 says of itself is not taken
};

/// Holds one frame at a time.
class VideoFrames {
 public:
  virtual ~VideoFrames() = default;
  const FramesFacts& facts() const { return facts_; }
  /// The next frame, of the size in `facts`. False behind the last, however often. Throws Error(kInput) naming the file
  /// for a frame that cannot be read or is of another size.
  virtual bool next(Image& frame) = 0;

 protected:
  FramesFacts facts_;
};

/// An mp4, or a folder of frame_00000.png, frame_00001.png, ... as `generate --frames` writes it. Of an mp4 the picture
/// is converted by swscale to RGB by the matrix and range that the stream says, BT.601 and limited where it says none.
/// Throws Error(kInput) naming the path when it is neither, holds no frame, lacks one between others, or holds more
/// than kMostFrames or kMostFramePixels; Error(kUsage) for an mp4 in a build without FFmpeg.
std::unique_ptr<VideoFrames> open_video_frames(const std::filesystem::path& path);

}  // namespace wan
