#include "io/sound_track.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <utility>

#include <fmt/format.h>

#include "base/error.h"

namespace wan {
namespace {

constexpr int kMostAacChannels = 8;
constexpr int kOtherRate = 48'000;
constexpr int64_t kBitRate = 192'000;  // the official program's
constexpr std::array kAacRates{96'000, 88'200, 64'000, 48'000, 44'100, 32'000, 24'000,
                               22'050, 16'000, 12'000, 11'025, 8'000,  7'350};

/// FFmpeg 5.1 has another description of channels. Of a codec's context or a frame.
template <class T>
void set_channels(T& of, int channels) {
  if constexpr (requires { of.ch_layout; }) {
    av_channel_layout_default(&of.ch_layout, channels);
  } else {
    of.channels = channels;
    of.channel_layout = static_cast<decltype(of.channel_layout)>(av_get_default_channel_layout(of.channels));
  }
}

/// In a form that AAC has.
Sound for_aac(const Sound& sound) {
  Sound out = sound;
  if (sound.channels > kMostAacChannels) {
    out.samples = to_mono(sound);
    out.channels = 1;
  }
  if (std::find(kAacRates.begin(), kAacRates.end(), out.rate) != kAacRates.end()) return out;
  const auto channels = static_cast<size_t>(out.channels);
  std::vector<float> interleaved;
  for (size_t channel = 0; channel < channels; ++channel) {
    std::vector<float> one;
    for (size_t i = channel; i < out.samples.size(); i += channels) one.push_back(out.samples[i]);
    one = resampled(one, out.rate, kOtherRate);
    interleaved.resize(one.size() * channels);
    for (size_t i = 0; i < one.size(); ++i) interleaved[i * channels + channel] = one[i];
  }
  out.samples = std::move(interleaved);
  out.rate = kOtherRate;
  return out;
}

}  // namespace

SoundTrack::SoundTrack(AVFormatContext& format, const Sound& sound, std::filesystem::path target)
    : format_(format), target_(std::move(target)), sound_(for_aac(sound)) {
  const AVCodec* encoder = avcodec_find_encoder(AV_CODEC_ID_AAC);
  if (encoder == nullptr) throw Error("the FFmpeg libraries on this machine have no AAC encoder");
  codec_.reset(avcodec_alloc_context3(encoder));
  frame_.reset(av_frame_alloc());
  packet_.reset(av_packet_alloc());
  stream_ = avformat_new_stream(&format, nullptr);
  if (!codec_ || !frame_ || !packet_ || stream_ == nullptr)
    throw Error(fmt::format("cannot write {}: FFmpeg could not make a track of sound", target_.string()));
  codec_->sample_fmt = AV_SAMPLE_FMT_FLTP;
  codec_->sample_rate = sound_.rate;
  codec_->bit_rate = kBitRate;
  codec_->time_base = {1, sound_.rate};
  codec_->flags |= AV_CODEC_FLAG_GLOBAL_HEADER;
  set_channels(*codec_, sound_.channels);
  check(avcodec_open2(codec_.get(), encoder, nullptr), "start the encoder of sound of");
  stream_->time_base = codec_->time_base;
  check(avcodec_parameters_from_context(stream_->codecpar, codec_.get()), "describe the sound of");
}

void SoundTrack::check(int code, const char* action) const {
  if (code < 0) throw Error(fmt::format("cannot {} {}", action, target_.string()));
}

void SoundTrack::write_until(double seconds) {
  const auto wanted = std::min(sound_.frames(), static_cast<int64_t>(std::ceil(seconds * sound_.rate)));
  while (done_ < wanted) {
    // Only the last frame may be shorter than the encoder's.
    const int64_t count = std::min<int64_t>(codec_->frame_size, sound_.frames() - done_);
    av_frame_unref(frame_.get());
    frame_->format = codec_->sample_fmt;
    frame_->sample_rate = sound_.rate;
    frame_->nb_samples = static_cast<int>(count);
    frame_->pts = done_;
    set_channels(*frame_, sound_.channels);
    check(av_frame_get_buffer(frame_.get(), 0), "allocate sound of");
    for (int channel = 0; channel < sound_.channels; ++channel) {
      auto* to = reinterpret_cast<float*>(frame_->extended_data[channel]);
      for (int64_t i = 0; i < count; ++i)
        to[i] = sound_.samples[static_cast<size_t>((done_ + i) * sound_.channels + channel)];
    }
    encode(frame_.get());
    done_ += count;
  }
}

void SoundTrack::finish() { encode(nullptr); }

void SoundTrack::encode(const AVFrame* input) {
  check(avcodec_send_frame(codec_.get(), input), "encode the sound of");
  while (true) {
    const int code = avcodec_receive_packet(codec_.get(), packet_.get());
    if (code == AVERROR(EAGAIN) || code == AVERROR_EOF) return;
    check(code, "encode the sound of");
    packet_->stream_index = stream_->index;
    av_packet_rescale_ts(packet_.get(), codec_->time_base, stream_->time_base);
    check(av_interleaved_write_frame(&format_, packet_.get()), "write");
  }
}

}  // namespace wan
