// Decoding and the JPEG encoder are FFmpeg's own.
#include "io/video_poster.h"

#include <algorithm>
#include <cmath>
#include <memory>

#include <fmt/format.h>

extern "C" {
#include <libavcodec/avcodec.h>
#include <libswscale/swscale.h>
}

#include "base/error.h"
#include "io/mp4_input.h"

namespace wan {
namespace {

constexpr int64_t kMostPixels = int64_t{1} << 26;  // of a frame: 8192 x 8192

// FFmpeg frees through a pointer to the pointer.
template <auto kFree>
struct Freed {
  template <class T>
  void operator()(T* object) const {
    kFree(&object);
  }
};
using Frame = std::unique_ptr<AVFrame, Freed<av_frame_free>>;
using Packet = std::unique_ptr<AVPacket, Freed<av_packet_free>>;
using Codec = std::unique_ptr<AVCodecContext, Freed<avcodec_free_context>>;
struct FreeScaler {
  void operator()(SwsContext* scaler) const { sws_freeContext(scaler); }
};
using Scaler = std::unique_ptr<SwsContext, FreeScaler>;

class PosterMaker {
 public:
  explicit PosterMaker(const std::filesystem::path& path) : path_(path.string()) {}

  std::string make() {
    open();
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
  void check(int code, const char* action) const {
    if (code < 0) check_mp4(code, path_, fmt::format("{} for a still", action));
  }

  template <class T>
  T* made(T* object, const char* what) const {
    if (object == nullptr) throw Error(ErrorKind::kInput, fmt::format("{}: FFmpeg could not make {}", path_, what));
    return object;
  }

  void open() {
    input_ = open_mp4(path_, "read it as mp4 for a still");
    AVFormatContext* format = input_.get();
    check(avformat_find_stream_info(format, nullptr), "read it");
    const AVCodec* decoder = nullptr;
    index_ = av_find_best_stream(format, AVMEDIA_TYPE_VIDEO, -1, -1, &decoder, 0);
    check(index_, "find a picture in it");
    codec_.reset(made(avcodec_alloc_context3(decoder), "a decoder"));
    check(avcodec_parameters_to_context(codec_.get(), format->streams[index_]->codecpar), "decode it");
    codec_->max_pixels = kMostPixels;
    check(avcodec_open2(codec_.get(), decoder, nullptr), "decode it");
    frame_.reset(made(av_frame_alloc(), "a frame"));
    packet_.reset(made(av_packet_alloc(), "a packet"));
  }

  /// Goes to the key frame at or before the middle; the middle in the stream's time base. A file that does not say how
  /// long it is gives its first frame.
  int64_t seek_middle() {
    const AVStream& stream = *input_->streams[index_];
    const int64_t start = stream.start_time == AV_NOPTS_VALUE ? 0 : stream.start_time;
    if (stream.duration <= 0) return start;
    const int64_t middle = start + stream.duration / 2;
    check(av_seek_frame(input_.get(), index_, middle, AVSEEK_FLAG_BACKWARD), "find its middle");
    return middle;
  }

  /// Leaves in `frame_` the one shown at `at`, or the last that can be decoded.
  void decode_to(int64_t at) {
    const Frame next(made(av_frame_alloc(), "a frame"));
    bool is_ended = false;
    while (true) {
      const int code = avcodec_receive_frame(codec_.get(), next.get());
      if (code == AVERROR(EAGAIN) && !is_ended) {
        is_ended = !send_packet();
        continue;
      }
      if (code == AVERROR_EOF || (code < 0 && frame_->width > 0)) break;
      check(code, "decode it");
      if (frame_->width > 0 && next->best_effort_timestamp > at) break;
      av_frame_unref(frame_.get());
      av_frame_move_ref(frame_.get(), next.get());
    }
    if (frame_->width <= 0) throw Error(ErrorKind::kInput, path_ + ": holds no frame for a still");
  }

  /// False when the file has ended, which the decoder was then told.
  bool send_packet() {
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

  void scale() {
    const double factor = std::min(1.0, double(kPosterSide) / std::max(frame_->width, frame_->height));
    const auto side = [&](int length) { return std::max(2, int(std::lround(length * factor)) / 2 * 2); };
    small_.reset(made(av_frame_alloc(), "a frame"));
    small_->format = AV_PIX_FMT_YUVJ420P;  // full range, as JPEG has it
    small_->width = side(frame_->width);
    small_->height = side(frame_->height);
    check(av_frame_get_buffer(small_.get(), 0), "allocate memory");
    const Scaler scaler(made(
        sws_getContext(frame_->width, frame_->height, static_cast<AVPixelFormat>(frame_->format), small_->width,
                       small_->height, AV_PIX_FMT_YUVJ420P, SWS_AREA | SWS_ACCURATE_RND, nullptr, nullptr, nullptr),
        "a scaler"));
    check(sws_scale(scaler.get(), frame_->data, frame_->linesize, 0, frame_->height, small_->data, small_->linesize),
          "scale it");
  }

  std::string encode(int quality) {
    const AVCodec* encoder = avcodec_find_encoder(AV_CODEC_ID_MJPEG);
    const Codec codec(made(encoder == nullptr ? nullptr : avcodec_alloc_context3(encoder), "a JPEG encoder"));
    codec->width = small_->width;
    codec->height = small_->height;
    codec->pix_fmt = AV_PIX_FMT_YUVJ420P;
    codec->time_base = {1, 1};
    codec->flags |= AV_CODEC_FLAG_QSCALE | AV_CODEC_FLAG_BITEXACT;
    codec->global_quality = quality * FF_QP2LAMBDA;
    check(avcodec_open2(codec.get(), encoder, nullptr), "start a JPEG");
    small_->quality = codec->global_quality;
    small_->pts = 0;
    check(avcodec_send_frame(codec.get(), small_.get()), "encode it");
    check(avcodec_send_frame(codec.get(), nullptr), "encode it");
    av_packet_unref(packet_.get());
    check(avcodec_receive_packet(codec.get(), packet_.get()), "encode it");
    return {reinterpret_cast<const char*>(packet_->data), static_cast<size_t>(packet_->size)};
  }

  std::string path_;
  Mp4Input input_;
  Codec codec_;
  Frame frame_, small_;
  Packet packet_;
  int index_ = -1;
};

}  // namespace

std::string video_poster(const std::filesystem::path& video) { return PosterMaker(video).make(); }

}  // namespace wan
