// Where the frames of a video go: an mp4, PNG files, memory, or whatever a program makes of them.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace wan {

class VideoWriter;
class FrameWriter;

/// Known before the first frame.
struct VideoInfo {
  int64_t width = 0, height = 0, num_frames = 0;
  double fps = 0;
  std::string prompt;
  std::filesystem::path sound;                  // that is heard beside the frames; empty: none
  double sound_from_s = 0;                      // what of it is left out before the first frame
  std::string preset;                           // libx264's, of io/video_writer.h's kPresets; empty: its default
  std::map<std::string, std::string> settings;  // seed, steps and so on: what a file says about itself
};

/// Known after the last frame.
struct VideoFacts {
  std::string frames_sha256;  // of the RGB frames, in order
  std::string metadata;       // what the video was made of, as JSON: docs/formats.md; empty: it is not to be said
};

/// Takes one video after another. Each gets `begin`, its frames in order, `describe`, then `finish`; where the request
/// ends otherwise, also because one of these calls threw, `abandon` in place of what is missing. What a call throws
/// ends the request and comes out of `generate`. Calls come one at a time; `frame` from a thread of the engine, the
/// others from the thread that called `generate`.
class FrameConsumer {
 public:
  virtual ~FrameConsumer() = default;
  /// Comes before any work: an output that cannot be written is refused here, and then not abandoned.
  virtual void begin(const VideoInfo& video) = 0;
  /// RGB24 [height, width, 3], valid during the call. Later frames are computed meanwhile; more than 1 GiB of frames
  /// that wait for their call holds the engine up.
  virtual void frame(std::span<const uint8_t> rgb) = 0;
  virtual void describe(const VideoFacts&) {}
  virtual void finish() = 0;
  /// Leaves nothing of the video behind.
  virtual void abandon() noexcept = 0;
};

/// An H.264 mp4, there under its name once finished, which must end in .mp4; with the prompt as its description and the
/// metadata as its comment, where it is to be said. Where there is a sound, it and the frames end together, with the
/// shorter of both. Needs a build with FFmpeg.
class Mp4File final : public FrameConsumer {
 public:
  explicit Mp4File(std::filesystem::path path);
  ~Mp4File() override;
  void begin(const VideoInfo& video) override;
  void frame(std::span<const uint8_t> rgb) override;
  void describe(const VideoFacts& facts) override;
  void finish() override;
  void abandon() noexcept override;

 private:
  std::string prompt_;
  std::filesystem::path path_;
  std::unique_ptr<VideoWriter> writer_;
  int64_t frames_left_ = 0;  // that are written
};

/// frame_00000.png, frame_00001.png, ... in a folder, which is made where it is missing.
class PngFolder final : public FrameConsumer {
 public:
  explicit PngFolder(std::filesystem::path folder);
  ~PngFolder() override;
  void begin(const VideoInfo& video) override;
  void frame(std::span<const uint8_t> rgb) override;
  void finish() override;
  void abandon() noexcept override;

 private:
  std::filesystem::path folder_;
  std::unique_ptr<FrameWriter> writer_;
};

/// All frames of the last video, for a caller that goes on with them.
class FrameMemory final : public FrameConsumer {
 public:
  void begin(const VideoInfo& video) override;
  void frame(std::span<const uint8_t> rgb) override;
  void finish() override {}
  void abandon() noexcept override { rgb_.clear(); }

  const VideoInfo& video() const { return video_; }
  /// RGB24 [num_frames, height, width, 3]; empty after a video that was abandoned.
  const std::vector<uint8_t>& rgb() const { return rgb_; }

 private:
  VideoInfo video_;
  std::vector<uint8_t> rgb_;
};

}  // namespace wan
