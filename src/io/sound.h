// Sound in: WAV, FLAC, MP3 and AAC through FFmpeg's libraries.
#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <vector>

namespace wan {

/// The longest sound that is read, and the most values: 256 MiB of them.
inline constexpr int64_t kMostSoundSeconds = 300;
inline constexpr int64_t kMostSoundValues = int64_t{64} << 20;

/// Samples in [-1, 1], interleaved.
struct Sound {
  int rate = 0;  // a second
  int channels = 0;
  std::vector<float> samples;  // [frames, channels]

  int64_t frames() const { return channels > 0 ? static_cast<int64_t>(samples.size()) / channels : 0; }
  double seconds() const { return rate > 0 ? static_cast<double>(frames()) / rate : 0; }
};

/// The first sound of a WAV, FLAC, MP3, AAC or m4a file, told by content, at its own rate; samples of 16 bits become
/// value / 32768. Throws Error(kInput) naming the file: of another format, damaged, without sound, longer than
/// kMostSoundSeconds, larger than kMostSoundValues; Error(kUsage) in a build without FFmpeg.
Sound read_sound(const std::filesystem::path& file);

/// The mean of the channels, as librosa.load has it.
std::vector<float> to_mono(const Sound& sound);

/// One channel at another rate, by libswresample; the samples themselves where the rates are one. Throws
/// Error(kRuntime) where the library fails.
std::vector<float> resampled(std::span<const float> samples, int from_rate, int to_rate);

}  // namespace wan
