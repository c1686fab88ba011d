#include "io/mp4_decoder.h"

#include <utility>

#include <fmt/format.h>

#include "base/error.h"
#include "io/video_frames.h"

namespace wan {

Mp4Decoder::Mp4Decoder(const std::filesystem::path& file, std::string purpose, int threads)
    : Mp4Decoder(open_mp4(file, "read it as mp4 " + purpose), AVMEDIA_TYPE_VIDEO, file, purpose, threads) {}

Mp4Decoder::Mp4Decoder(Mp4Input input, AVMediaType kind, const std::filesystem::path& file, std::string purpose,
                       int threads)
    : file_(file), purpose_(std::move(purpose)), input_(std::move(input)) {
  AVFormatContext* format = input_.get();
  check(avformat_find_stream_info(format, nullptr), "read it");
  const AVCodec* decoder = nullptr;
  index_ = av_find_best_stream(format, kind, -1, -1, &decoder, 0);
  check(index_, kind == AVMEDIA_TYPE_VIDEO ? "find a picture in it" : "find sound in it");
  codec_.reset(made(avcodec_alloc_context3(decoder), "a decoder"));
  check(avcodec_parameters_to_context(codec_.get(), stream().codecpar), "decode it");
  codec_->max_pixels = kMostFramePixels;
  codec_->thread_count = threads;
  check(avcodec_open2(codec_.get(), decoder, nullptr), "decode it");
  packet_.reset(made(av_packet_alloc(), "a packet"));
}

void Mp4Decoder::check(int code, const char* action) const {
  if (code < 0) check_mp4(code, file_, fmt::format("{} {}", action, purpose_));
}

void Mp4Decoder::refuse_missing(const char* what) const {
  throw Error(ErrorKind::kInput, fmt::format("{}: FFmpeg could not make {}", file_.string(), what));
}

void Mp4Decoder::seek(int64_t at, const char* action) {
  check(av_seek_frame(input_.get(), index_, at, AVSEEK_FLAG_BACKWARD), action);
}

int Mp4Decoder::next(AVFrame& frame) {
  while (true) {
    const int code = avcodec_receive_frame(codec_.get(), &frame);
    if (code != AVERROR(EAGAIN) || is_ended_) return code;
    is_ended_ = !send_packet();
  }
}

/// False when the file has ended, which the decoder was then told.
bool Mp4Decoder::send_packet() {
  while (av_read_frame(input_.get(), packet_.get()) >= 0) {
    const bool is_ours = packet_->stream_index == index_;
    const int code = is_ours ? avcodec_send_packet(codec_.get(), packet_.get()) : 0;
    av_packet_unref(packet_.get());
    check(code, "decode it");
    if (is_ours) return true;
  }
  check(avcodec_send_packet(codec_.get(), nullptr), "decode it");
  return false;
}

}  // namespace wan
