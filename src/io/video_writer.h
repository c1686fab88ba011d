// Frames out: an mp4 through FFmpeg's libraries, as the official pipeline's writer encodes it, or numbered PNG files.
#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/output_file.h"
#include "io/sound.h"

namespace wan {

/// libx264's presets that are used, from the quickest. The last is its default, and the official writer's.
inline constexpr std::array<const char*, 5> kPresets{"ultrafast", "superfast", "veryfast", "fast", "medium"};
inline constexpr const char* kBestPreset = kPresets.back();

struct VideoSettings {
  int width = 0;   // even, as 4:2:0 wants
  int height = 0;  // even
  int fps_numerator = 24;
  int fps_denominator = 1;
  int crf = 10;     // the official writer's quality 8
  int threads = 0;  // of the encoder; 0: as many as it likes. The thread count may change single bits of the video.
  std::string preset = kBestPreset;  // of kPresets: how much work libx264 puts into a smaller file
  /// Heard beside the frames from the first on; where it ends, or the frames do, the other goes on alone.
  std::optional<Sound> sound{};
};

/// Whether this build and its FFmpeg can write mp4; where not, making a VideoWriter throws.
bool can_write_video();

/// Encodes H.264 (libx264, yuv420p, BT.601 as swscale's default) into an mp4, and its sound, if any, as
/// AAC of 192 kbit/s. Holds a bounded number of frames. The file lands under its name only on `finish`; without it, it
/// is removed.
class VideoWriter {
 public:
  /// Throws Error(kUsage) for a name that does not end in .mp4, for sizes or rates that cannot be encoded or a build
  /// without FFmpeg, Error(kRuntime) when the file cannot be created.
  VideoWriter(const std::filesystem::path& path, const VideoSettings& settings);
  ~VideoWriter();
  VideoWriter(const VideoWriter&) = delete;
  VideoWriter& operator=(const VideoWriter&) = delete;

  /// Appends a frame, RGB24 [height, width, 3]. Throws Error(kRuntime) naming the file, also on a full disk.
  void write(std::span<const uint8_t> rgb24_frame);
  /// What the mp4 says of itself, such as its description and comment; UTF-8, none for an empty text. Until `finish`.
  void set_tag(const char* key, const std::string& text);
  /// Throws Error(kRuntime), also when no frame was written.
  void finish();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// Writes frames as frame_00000.png, frame_00001.png, ... into a folder, each atomically. While it lives they are
/// unfinished files.
class FrameWriter {
 public:
  /// Creates the folder. Throws Error(kRuntime) when that fails, Error(kUsage) for sizes below 1.
  FrameWriter(const std::filesystem::path& folder, int width, int height);
  /// RGB24 [height, width, 3]. Throws Error(kRuntime).
  void write(std::span<const uint8_t> rgb24_frame);
  int count() const { return static_cast<int>(written_.size()); }
  /// Removes what was written, of a video that ends unfinished.
  void remove_written() noexcept;

 private:
  std::filesystem::path file(int index) const;
  std::filesystem::path folder_;
  int width_;
  int height_;
  std::vector<UnfinishedFile> written_;
};

}  // namespace wan
