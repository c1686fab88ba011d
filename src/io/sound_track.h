// The sound of an mp4 that is written: AAC. Only for files that use FFmpeg.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>

#include "io/mp4_decoder.h"
#include "io/sound.h"

namespace wan {

class SoundTrack {
 public:
  /// Adds a stream to `format`, whose header is not written yet. Takes the sound's rate and channels where AAC has
  /// them, else 48 kHz, and one channel, the mean. `target` is for messages. Throws Error(kRuntime).
  SoundTrack(AVFormatContext& format, const Sound& sound, std::filesystem::path target);

  /// Writes the sound up to `seconds` from its beginning.
  void write_until(double seconds);
  /// Writes what the encoder still has.
  void finish();

 private:
  void encode(const AVFrame* input);
  void check(int code, const char* action) const;

  AVFormatContext& format_;
  std::filesystem::path target_;
  Sound sound_;
  Mp4Codec codec_;
  Mp4Frame frame_;
  Mp4Packet packet_;
  AVStream* stream_ = nullptr;
  int64_t done_ = 0;  // frames of the sound
};

}  // namespace wan
