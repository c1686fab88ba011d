// Frames of an mp4 as RGB.
#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "base/error.h"
#include "io/mp4_decoder.h"
#include "io/video_frames_kinds.h"

namespace wan {
namespace {

class Mp4Frames final : public VideoFrames {
 public:
  explicit Mp4Frames(const std::filesystem::path& video)
      : decoder_(video, "for its frames", 0), frame_(decoder_.made(av_frame_alloc(), "a frame")) {
    facts_.path = video;
    facts_.storage = FrameStorage::kMp4;
    has_frame_ = decode();
    require(has_frame_, video.string() + ": expected frames in it, found none");
    facts_.width = frame_->width;
    facts_.height = frame_->height;
    const AVRational rate = decoder_.stream().avg_frame_rate;
    if (rate.num > 0 && rate.den > 0) facts_.fps = av_q2d(rate);
    make_scaler();
  }

  bool next(Image& image) override {
    if (!has_frame_) return false;
    const std::string where = fmt::format("{}: frame {}", facts_.path.string(), index_);
    require(index_ < kMostFrames, fmt::format("{}: holds more than {} frames", facts_.path.string(), kMostFrames));
    require_same_size(facts_, frame_->width, frame_->height, where);
    require(frame_->format == format_, where + ": its pixel format is not that of the first frame");
    convert(image);
    ++index_;
    has_frame_ = decode();
    return true;
  }

 private:
  /// Into `frame_`; false behind the last.
  bool decode() {
    const int code = decoder_.next(*frame_);
    if (code == AVERROR_EOF) return false;
    decoder_.check(code, "decode it");
    return true;
  }

  void make_scaler() {
    format_ = frame_->format;
    constexpr int kExact = SWS_BICUBIC | SWS_ACCURATE_RND | SWS_FULL_CHR_H_INT | SWS_FULL_CHR_H_INP;
    scaler_.reset(
        decoder_.made(sws_getContext(facts_.width, facts_.height, static_cast<AVPixelFormat>(format_), facts_.width,
                                     facts_.height, AV_PIX_FMT_RGB24, kExact, nullptr, nullptr, nullptr),
                      "a converter to RGB"));
    const int* matrix = sws_getCoefficients(frame_->colorspace);  // of what is not specified BT.601
    constexpr int kUnit = 1 << 16;
    // Refused by formats that have no such matrix, which then need none.
    sws_setColorspaceDetails(scaler_.get(), matrix, frame_->color_range == AVCOL_RANGE_JPEG,
                             sws_getCoefficients(SWS_CS_DEFAULT), 1, 0, kUnit, kUnit);
    rgb_.reset(decoder_.made(av_frame_alloc(), "a frame"));
    rgb_->format = AV_PIX_FMT_RGB24;
    rgb_->width = facts_.width;
    rgb_->height = facts_.height;
    decoder_.check(av_frame_get_buffer(rgb_.get(), 0), "allocate memory");  // its rows have the room swscale wants
  }

  void convert(Image& image) {
    decoder_.check(
        sws_scale(scaler_.get(), frame_->data, frame_->linesize, 0, facts_.height, rgb_->data, rgb_->linesize),
        "convert it to RGB");
    const size_t row_bytes = static_cast<size_t>(facts_.width) * 3;
    image.width = facts_.width;
    image.height = facts_.height;
    image.rgb.resize(row_bytes * static_cast<size_t>(facts_.height));
    for (int y = 0; y < facts_.height; ++y)
      std::copy_n(rgb_->data[0] + static_cast<std::ptrdiff_t>(y) * rgb_->linesize[0], row_bytes,
                  image.rgb.data() + static_cast<size_t>(y) * row_bytes);
  }

  Mp4Decoder decoder_;
  Mp4Frame frame_, rgb_;
  Mp4Scaler scaler_;
  int format_ = AV_PIX_FMT_NONE;
  int64_t index_ = 0;
  bool has_frame_ = false;
};

}  // namespace

std::unique_ptr<VideoFrames> open_mp4_frames(const std::filesystem::path& video) {
  return std::make_unique<Mp4Frames>(video);
}

}  // namespace wan
