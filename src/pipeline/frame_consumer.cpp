#include "pipeline/frame_consumer.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "base/file.h"
#include "io/sound.h"
#include "io/video_name.h"
#include "io/video_writer.h"

namespace wan {
namespace {

uint64_t bytes_of(const VideoInfo& video) {
  return static_cast<uint64_t>(video.num_frames * video.height * video.width * 3);
}

VideoSettings settings_of(const VideoInfo& video) {
  VideoSettings settings;
  settings.width = static_cast<int>(video.width);
  settings.height = static_cast<int>(video.height);
  settings.fps_numerator = static_cast<int>(std::lround(video.fps));
  if (!video.preset.empty()) settings.preset = video.preset;
  return settings;
}

/// What of the video's sound is heard.
Sound sound_of(const VideoInfo& video) {
  Sound sound = read_sound(video.sound);
  const auto left_out =
      std::min<int64_t>(sound.frames(), std::llround(video.sound_from_s * sound.rate)) * sound.channels;
  sound.samples.erase(sound.samples.begin(), sound.samples.begin() + left_out);
  return sound;
}

}  // namespace

Mp4File::Mp4File(std::filesystem::path path) : path_(std::move(path)) {}
Mp4File::~Mp4File() = default;

void Mp4File::begin(const VideoInfo& video) {
  require_video_name(path_);
  // Noise, the worst there is for H.264, takes a quarter of its bytes at the official quality.
  require_writable(path_.parent_path(), bytes_of(video) / 4);
  VideoSettings settings = settings_of(video);
  frames_left_ = video.num_frames;
  if (!video.sound.empty()) {
    settings.sound = sound_of(video);
    frames_left_ = std::min<int64_t>(frames_left_, std::llround(std::ceil(settings.sound->seconds() * video.fps)));
  }
  writer_ = std::make_unique<VideoWriter>(path_, settings);
  prompt_ = video.prompt;
}

void Mp4File::frame(std::span<const uint8_t> rgb) {
  if (frames_left_-- > 0) writer_->write(rgb);
}

void Mp4File::describe(const VideoFacts& facts) {
  if (facts.metadata.empty()) return;
  writer_->set_tag("description", prompt_);
  writer_->set_tag("comment", facts.metadata);
}

void Mp4File::finish() {
  writer_->finish();
  writer_.reset();
}

void Mp4File::abandon() noexcept { writer_.reset(); }

PngFolder::PngFolder(std::filesystem::path folder) : folder_(std::move(folder)) {}
PngFolder::~PngFolder() = default;

void PngFolder::begin(const VideoInfo& video) {
  require_writable(folder_, bytes_of(video));
  writer_ = std::make_unique<FrameWriter>(folder_, static_cast<int>(video.width), static_cast<int>(video.height));
}

void PngFolder::frame(std::span<const uint8_t> rgb) { writer_->write(rgb); }

void PngFolder::finish() { writer_.reset(); }

void PngFolder::abandon() noexcept {
  writer_->remove_written();
  writer_.reset();
}

void FrameMemory::begin(const VideoInfo& video) {
  video_ = video;
  rgb_.clear();
  rgb_.reserve(bytes_of(video));
}

void FrameMemory::frame(std::span<const uint8_t> rgb) { rgb_.insert(rgb_.end(), rgb.begin(), rgb.end()); }

}  // namespace wan
