// The frames of an mp4 as FFmpeg has them. Only for files that use FFmpeg.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>

extern "C" {
#include <libavcodec/avcodec.h>
#include <libswscale/swscale.h>
}

#include "io/mp4_input.h"

namespace wan {

// FFmpeg frees through a pointer to the pointer.
template <auto kFree>
struct FreedByPointer {
  template <class T>
  void operator()(T* object) const {
    kFree(&object);
  }
};
using Mp4Frame = std::unique_ptr<AVFrame, FreedByPointer<av_frame_free>>;
using Mp4Packet = std::unique_ptr<AVPacket, FreedByPointer<av_packet_free>>;
using Mp4Codec = std::unique_ptr<AVCodecContext, FreedByPointer<avcodec_free_context>>;
struct FreeScaler {
  void operator()(SwsContext* scaler) const { sws_freeContext(scaler); }
};
using Mp4Scaler = std::unique_ptr<SwsContext, FreeScaler>;

/// The first of the file's streams of pictures or of sound, decoded from its beginning or from where `seek` went.
class Mp4Decoder {
 public:
  /// Of a file that is open already.
  Mp4Decoder(Mp4Input input, AVMediaType kind, const std::filesystem::path& file, std::string purpose, int threads);
  /// `purpose` ends every message: "for a still". `threads` of FFmpeg's decoder; 0: as many as it likes. Throws
  /// Error(kInput) naming the file when it is no mp4 with pictures that can be decoded.
  Mp4Decoder(const std::filesystem::path& file, std::string purpose, int threads);

  const AVStream& stream() const { return *input_->streams[index_]; }
  /// To the key frame at or before `at`, in the stream's time base.
  void seek(int64_t at, const char* action);
  /// The next frame in order. FFmpeg's code: AVERROR_EOF behind the last, another negative one where the decoder fails.
  /// Throws Error(kInput) where the decoder refuses what the file holds.
  int next(AVFrame& frame);

  /// Throws Error(kInput) of the file where FFmpeg's `code` is negative.
  void check(int code, const char* action) const;
  /// `object`. Throws Error(kInput) of the file where FFmpeg made none.
  template <class T>
  T* made(T* object, const char* what) const {
    if (object == nullptr) refuse_missing(what);
    return object;
  }

 private:
  [[noreturn]] void refuse_missing(const char* what) const;
  bool send_packet();

  std::filesystem::path file_;
  std::string purpose_;
  Mp4Input input_;
  Mp4Codec codec_;
  Mp4Packet packet_;
  int index_ = -1;
  bool is_ended_ = false;
};

}  // namespace wan
