// Decoding and the JPEG encoder are FFmpeg's own.
#include "io/video_poster.h"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "base/error.h"
#include "io/mp4_decoder.h"

namespace wan {
namespace {

class PosterMaker {
 public:
  explicit PosterMaker(const std::filesystem::path& path)
      : path_(path.string()),
        decoder_(path, "for a still", 1),
        frame_(decoder_.made(av_frame_alloc(), "a frame")),
        packet_(decoder_.made(av_packet_alloc(), "a packet")) {}

  std::string make() {
    decode_to(seek_middle());
    scale();
    constexpr int kBestQuality = 4, kWorstQuality = 31;  // of FFmpeg's JPEG encoder: quantiser scales
    for (int quality = kBestQuality; quality < kWorstQuality; quality *= 2) {
      std::string jpeg = encode(quality);
      if (jpeg.size() <= kPosterBytes) return jpeg;
    }
    return encode(kWorstQuality);  // noise of the largest size takes less than half the limit here
  }

 private:
  /// Goes to the key frame at or before the middle; the middle in the stream's time base. A file that does not say how
  /// long it is gives its first frame.
  int64_t seek_middle() {
    const AVStream& stream = decoder_.stream();
    const int64_t start = stream.start_time == AV_NOPTS_VALUE ? 0 : stream.start_time;
    if (stream.duration <= 0) return start;
    const int64_t middle = start + stream.duration / 2;
    decoder_.seek(middle, "find its middle");
    return middle;
  }

  /// Leaves in `frame_` the one shown at `at`, or the last that can be decoded.
  void decode_to(int64_t at) {
    const Mp4Frame next(decoder_.made(av_frame_alloc(), "a frame"));
    while (true) {
      const int code = decoder_.next(*next);
      if (code == AVERROR_EOF || (code < 0 && frame_->width > 0)) break;
      decoder_.check(code, "decode it");
      if (frame_->width > 0 && next->best_effort_timestamp > at) break;
      av_frame_unref(frame_.get());
      av_frame_move_ref(frame_.get(), next.get());
    }
    if (frame_->width <= 0) throw Error(ErrorKind::kInput, path_ + ": holds no frame for a still");
  }

  void scale() {
    const double factor = std::min(1.0, double(kPosterSide) / std::max(frame_->width, frame_->height));
    const auto side = [&](int length) { return std::max(2, int(std::lround(length * factor)) / 2 * 2); };
    small_.reset(decoder_.made(av_frame_alloc(), "a frame"));
    small_->format = AV_PIX_FMT_YUVJ420P;  // full range, as JPEG has it
    small_->width = side(frame_->width);
    small_->height = side(frame_->height);
    decoder_.check(av_frame_get_buffer(small_.get(), 0), "allocate memory");
    const Mp4Scaler scaler(decoder_.made(
        sws_getContext(frame_->width, frame_->height, static_cast<AVPixelFormat>(frame_->format), small_->width,
                       small_->height, AV_PIX_FMT_YUVJ420P, SWS_AREA | SWS_ACCURATE_RND, nullptr, nullptr, nullptr),
        "a scaler"));
    decoder_.check(
        sws_scale(scaler.get(), frame_->data, frame_->linesize, 0, frame_->height, small_->data, small_->linesize),
        "scale it");
  }

  std::string encode(int quality) {
    const AVCodec* encoder = avcodec_find_encoder(AV_CODEC_ID_MJPEG);
    const Mp4Codec codec(
        decoder_.made(encoder == nullptr ? nullptr : avcodec_alloc_context3(encoder), "a JPEG encoder"));
    codec->width = small_->width;
    codec->height = small_->height;
    codec->pix_fmt = AV_PIX_FMT_YUVJ420P;
    codec->time_base = {1, 1};
    codec->flags |= AV_CODEC_FLAG_QSCALE | AV_CODEC_FLAG_BITEXACT;
    codec->global_quality = quality * FF_QP2LAMBDA;
    decoder_.check(avcodec_open2(codec.get(), encoder, nullptr), "start a JPEG");
    small_->quality = codec->global_quality;
    small_->pts = 0;
    decoder_.check(avcodec_send_frame(codec.get(), small_.get()), "encode it");
    decoder_.check(avcodec_send_frame(codec.get(), nullptr), "encode it");
    av_packet_unref(packet_.get());
    decoder_.check(avcodec_receive_packet(codec.get(), packet_.get()), "encode it");
    return {reinterpret_cast<const char*>(packet_->data), static_cast<size_t>(packet_->size)};
  }

  std::string path_;
  Mp4Decoder decoder_;
  Mp4Frame frame_, small_;
  Mp4Packet packet_;
};

}  // namespace

std::string video_poster(const std::filesystem::path& video) { return PosterMaker(video).make(); }

}  // namespace wan
