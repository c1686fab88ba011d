// Sound through libavformat, libavcodec and libswresample.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <utility>

#include <fmt/format.h>

extern "C" {
#include <libavutil/opt.h>
#include <libavutil/samplefmt.h>
#include <libswresample/swresample.h>
}

#include "base/error.h"
#include "io/mp4_decoder.h"
#include "io/sound.h"

namespace wan {
namespace {

constexpr const char* kFormats = "wav,flac,mp3,aac,mov";  // "mov" is FFmpeg's reader of m4a and mp4
constexpr int kLeastRate = 1'000, kMostRate = 384'000, kMostChannels = 64;

/// FFmpeg 5.1 renamed the field.
template <class T>
int channels_of(const T& of) {
  if constexpr (requires { of.ch_layout; })
    return of.ch_layout.nb_channels;
  else
    return of.channels;
}

template <class T>
float as_float(const uint8_t* at) {
  T value;
  std::memcpy(&value, at, sizeof(T));
  if constexpr (std::is_same_v<T, uint8_t>) return (static_cast<float>(value) - 128.0f) / 128.0f;
  if constexpr (std::is_same_v<T, int16_t>) return static_cast<float>(value) / 32768.0f;
  if constexpr (std::is_same_v<T, int32_t>) return static_cast<float>(static_cast<double>(value) / 2147483648.0);
  return static_cast<float>(value);
}

/// Appends a frame's samples, interleaved.
template <class T>
void append(const AVFrame& frame, int channels, std::vector<float>& out) {
  const bool planar = av_sample_fmt_is_planar(static_cast<AVSampleFormat>(frame.format)) != 0;
  for (int i = 0; i < frame.nb_samples; ++i)
    for (int c = 0; c < channels; ++c) {
      const uint8_t* plane = planar ? frame.extended_data[c] : frame.extended_data[0];
      const size_t index = planar ? static_cast<size_t>(i)
                                  : static_cast<size_t>(i) * static_cast<size_t>(channels) + static_cast<size_t>(c);
      out.push_back(as_float<T>(plane + index * sizeof(T)));
    }
}

class SoundReader {
 public:
  explicit SoundReader(const std::filesystem::path& file)
      : file_(file),
        decoder_(open_media(file, "read it as WAV, FLAC, MP3 or AAC", kFormats), AVMEDIA_TYPE_AUDIO, file,
                 "for its sound", 1),
        frame_(decoder_.made(av_frame_alloc(), "a frame")) {}

  Sound read() {
    Sound sound;
    while (true) {
      const int code = decoder_.next(*frame_);
      if (code == AVERROR_EOF) break;
      decoder_.check(code, "decode it");
      take(sound);
    }
    require(sound.frames() > 0, file_.string() + ": expected sound in it, found none");
    constexpr float kLoudest = 1e4f;  // full scale is 1
    const bool is_sound = std::ranges::all_of(sound.samples, [](float v) { return std::abs(v) <= kLoudest; });
    require(is_sound, file_.string() +
                          ": has samples that are no numbers or far above full scale: convert it to WAV of "
                          "16 bits");
    return sound;
  }

 private:
  void take(Sound& sound) {
    const int channels = channels_of(*frame_);
    const std::string found = fmt::format("{} channels at {} Hz", channels, frame_->sample_rate);
    require(channels >= 1 && channels <= kMostChannels && frame_->sample_rate >= kLeastRate &&
                frame_->sample_rate <= kMostRate,
            fmt::format("{}: has {}, expected 1 to {} at {} to {}", file_.string(), found, kMostChannels, kLeastRate,
                        kMostRate));
    if (sound.rate == 0) {
      sound.rate = frame_->sample_rate;
      sound.channels = channels;
    }
    require(sound.rate == frame_->sample_rate && sound.channels == channels,
            fmt::format("{}: changes to {} in its middle: convert it to one form first", file_.string(), found));
    const int64_t frames = sound.frames() + frame_->nb_samples;
    require(frames <= kMostSoundSeconds * sound.rate && frames * channels <= kMostSoundValues,
            fmt::format("{}: is longer than {} s, or has more than {} samples: cut it into parts", file_.string(),
                        kMostSoundSeconds, kMostSoundValues));
    switch (av_get_packed_sample_fmt(static_cast<AVSampleFormat>(frame_->format))) {
      case AV_SAMPLE_FMT_U8: return append<uint8_t>(*frame_, channels, sound.samples);
      case AV_SAMPLE_FMT_S16: return append<int16_t>(*frame_, channels, sound.samples);
      case AV_SAMPLE_FMT_S32: return append<int32_t>(*frame_, channels, sound.samples);
      case AV_SAMPLE_FMT_FLT: return append<float>(*frame_, channels, sound.samples);
      case AV_SAMPLE_FMT_DBL: return append<double>(*frame_, channels, sound.samples);
      default: break;
    }
    throw Error(ErrorKind::kInput, file_.string() + ": its samples are in a form that is not read: convert it to WAV");
  }

  std::filesystem::path file_;
  Mp4Decoder decoder_;
  Mp4Frame frame_;
};

struct FreeResampler {
  void operator()(SwrContext* resampler) const { swr_free(&resampler); }
};

void check_resampler(int code) {
  if (code < 0) throw Error("FFmpeg's resampler refused to work");
}

/// FFmpeg 5.1 renamed the option of a layout; one channel in the middle is the old mask.
void set_mono(SwrContext* resampler, const char* layout, const char* mask) {
  constexpr int64_t kMiddle = 4;
  if (av_opt_set(resampler, layout, "mono", 0) < 0) check_resampler(av_opt_set_int(resampler, mask, kMiddle, 0));
}

}  // namespace

Sound read_sound(const std::filesystem::path& file) { return SoundReader(file).read(); }

std::vector<float> resampled(std::span<const float> samples, int from_rate, int to_rate) {
  require_op(from_rate > 0 && to_rate > 0, "rates are positive");
  if (from_rate == to_rate) return {samples.begin(), samples.end()};
  std::unique_ptr<SwrContext, FreeResampler> resampler(swr_alloc());
  check_resampler(resampler ? 0 : -1);
  set_mono(resampler.get(), "in_chlayout", "in_channel_layout");
  set_mono(resampler.get(), "out_chlayout", "out_channel_layout");
  check_resampler(av_opt_set_int(resampler.get(), "in_sample_rate", from_rate, 0));
  check_resampler(av_opt_set_int(resampler.get(), "out_sample_rate", to_rate, 0));
  check_resampler(av_opt_set_sample_fmt(resampler.get(), "in_sample_fmt", AV_SAMPLE_FMT_FLT, 0));
  check_resampler(av_opt_set_sample_fmt(resampler.get(), "out_sample_fmt", AV_SAMPLE_FMT_FLT, 0));
  constexpr int64_t kTaps = 64;  // twice the default: nearer to the official program's soxr
  check_resampler(av_opt_set_int(resampler.get(), "filter_size", kTaps, 0));
  check_resampler(swr_init(resampler.get()));
  // librosa rounds the length up.
  const auto wanted = static_cast<size_t>((static_cast<int64_t>(samples.size()) * to_rate + from_rate - 1) / from_rate);
  std::vector<float> out, made;
  const auto convert = [&](std::span<const float> input) {
    const int room = swr_get_out_samples(resampler.get(), static_cast<int>(input.size()));
    check_resampler(room);
    made.resize(static_cast<size_t>(room));
    const auto* in = reinterpret_cast<const uint8_t*>(input.data());
    auto* to = reinterpret_cast<uint8_t*>(made.data());
    const int count = swr_convert(resampler.get(), &to, room, input.empty() ? nullptr : &in,
                                  static_cast<int>(input.size()));  // without input: what is left in it
    check_resampler(count);
    out.insert(out.end(), made.begin(), made.begin() + count);
  };
  constexpr size_t kAtOnce = 4096;
  for (size_t first = 0; first < samples.size(); first += kAtOnce)
    convert(samples.subspan(first, std::min(kAtOnce, samples.size() - first)));
  convert({});
  out.resize(wanted);  // by a sample or two, of silence
  return out;
}

}  // namespace wan
