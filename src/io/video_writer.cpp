// mp4 through libavcodec, libavformat and libswscale.
#include "io/video_writer.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <optional>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>

extern "C" {
#include <libavcodec/avcodec.h>
#include <libavformat/avformat.h>
#include <libavutil/opt.h>
#include <libswscale/swscale.h>
}

#include "base/error.h"
#include "base/output_file.h"
#include "io/sound_track.h"
#include "io/video_name.h"

namespace wan {
namespace {

constexpr int kMaxSide = 16384;  // of H.264 level 6.2 and above
constexpr const char* kEncoder = "libx264";

/// FFmpeg writes into the file that is open already: by its name it would open whatever has that name now. `Byte` is
/// const from FFmpeg 7 on.
template <typename Byte>
int write_part(void* file, Byte* bytes, int size) {
  for (int done = 0; done < size;) {
    const ssize_t written =
        ::write(static_cast<PartFile*>(file)->descriptor(), bytes + done, static_cast<size_t>(size - done));
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return AVERROR(errno);
    done += static_cast<int>(written);
  }
  return size;
}

int64_t seek_part(void* file, int64_t offset, int whence) {
  if ((whence & AVSEEK_SIZE) != 0) return AVERROR(ENOSYS);
  const off_t place = ::lseek(static_cast<PartFile*>(file)->descriptor(), offset, whence & ~AVSEEK_FORCE);
  return place < 0 ? AVERROR(errno) : int64_t{place};
}

}  // namespace

bool can_write_video() { return avcodec_find_encoder_by_name(kEncoder) != nullptr; }

struct VideoWriter::State {
  std::filesystem::path target;
  std::optional<PartFile> file;
  VideoSettings settings;
  AVFormatContext* format = nullptr;
  AVIOContext* stream_out = nullptr;  // writes to `file`
  AVStream* stream = nullptr;
  AVCodecContext* codec = nullptr;
  SwsContext* scaler = nullptr;
  AVFrame* frame = nullptr;
  AVPacket* packet = nullptr;
  std::optional<SoundTrack> sound;
  int64_t frames = 0;

  double seconds() const { return static_cast<double>(frames) * settings.fps_denominator / settings.fps_numerator; }
  ~State();
  void check(int code, const char* action) const;
  template <typename T>
  T* check_made(T* made, const char* what) const;
  void open_codec();
  void open_file();
  void encode(const AVFrame* input);
  void finish();
};

VideoWriter::State::~State() {
  sound.reset();
  av_packet_free(&packet);
  av_frame_free(&frame);
  sws_freeContext(scaler);
  avcodec_free_context(&codec);
  avformat_free_context(format);
  if (stream_out != nullptr) av_freep(&stream_out->buffer);
  avio_context_free(&stream_out);
}

/// FFmpeg's codes are negative errno values or tags of its own.
void VideoWriter::State::check(int code, const char* action) const {
  if (code >= 0) return;
  std::array<char, AV_ERROR_MAX_STRING_SIZE> text{};
  av_strerror(code, text.data(), text.size());
  throw Error(fmt::format("cannot {} {}: {}", action, target.string(), text.data()));
}

template <typename T>
T* VideoWriter::State::check_made(T* made, const char* what) const {
  if (made == nullptr) throw Error(fmt::format("cannot write {}: FFmpeg could not make {}", target.string(), what));
  return made;
}

void VideoWriter::State::open_codec() {
  const AVCodec* encoder = avcodec_find_encoder_by_name(kEncoder);
  require(encoder != nullptr,
          "the FFmpeg libraries on this machine have no libx264 encoder: install a build that has it",
          ErrorKind::kUsage);
  codec = check_made(avcodec_alloc_context3(encoder), "an encoder");
  codec->width = settings.width;
  codec->height = settings.height;
  codec->time_base = {settings.fps_denominator, settings.fps_numerator};
  codec->framerate = {settings.fps_numerator, settings.fps_denominator};
  codec->pix_fmt = AV_PIX_FMT_YUV420P;
  codec->colorspace =
      AVCOL_SPC_SMPTE170M;  // what swscale converts to by default; said, so that players do not guess by size
  codec->color_range = AVCOL_RANGE_MPEG;
  codec->thread_count = settings.threads;
  codec->flags |= AV_CODEC_FLAG_GLOBAL_HEADER;
  check(av_opt_set_int(codec->priv_data, "crf", settings.crf, 0), "set the quality of");
  check(av_opt_set(codec->priv_data, "preset", settings.preset.c_str(), 0), "set the preset of");
  check(avcodec_open2(codec, encoder, nullptr), "start the encoder of");

  frame = check_made(av_frame_alloc(), "a frame");
  frame->format = codec->pix_fmt;
  frame->width = settings.width;
  frame->height = settings.height;
  check(av_frame_get_buffer(frame, 0), "allocate a frame of");
  packet = check_made(av_packet_alloc(), "a packet");
  scaler = check_made(
      sws_getContext(settings.width, settings.height, AV_PIX_FMT_RGB24, settings.width, settings.height, codec->pix_fmt,
                     SWS_BICUBIC | SWS_ACCURATE_RND | SWS_FULL_CHR_H_INP, nullptr, nullptr, nullptr),
      "a colour converter");
}

void VideoWriter::State::open_file() {
  check(avformat_alloc_output_context2(&format, nullptr, "mp4", nullptr), "prepare");
  stream = check_made(avformat_new_stream(format, nullptr), "a stream");
  stream->time_base = codec->time_base;
  stream->avg_frame_rate = codec->framerate;
  check(avcodec_parameters_from_context(stream->codecpar, codec), "describe");
  if (settings.sound) sound.emplace(*format, *settings.sound, target);
  settings.sound.reset();  // the track has its own
  constexpr int kBufferBytes = 1 << 16;
  auto* buffer = check_made(static_cast<unsigned char*>(av_malloc(kBufferBytes)), "a buffer");
  stream_out = avio_alloc_context(buffer, kBufferBytes, 1, &*file, nullptr, &write_part, &seek_part);
  if (stream_out == nullptr) av_free(buffer);
  format->pb = check_made(stream_out, "a stream to the file");
  format->flags |= AVFMT_FLAG_CUSTOM_IO;
  check(avformat_write_header(format, nullptr), "write");
}

/// Feeds one frame (none: the end) and writes what the encoder has ready.
void VideoWriter::State::encode(const AVFrame* input) {
  check(avcodec_send_frame(codec, input), "encode");
  while (true) {
    const int code = avcodec_receive_packet(codec, packet);
    if (code == AVERROR(EAGAIN) || code == AVERROR_EOF) break;
    check(code, "encode");
    packet->stream_index = stream->index;
    packet->duration = 1;
    av_packet_rescale_ts(packet, codec->time_base, stream->time_base);
    check(av_interleaved_write_frame(format, packet), "write");
  }
  check(format->pb->error, "write");
}

void VideoWriter::State::finish() {
  encode(nullptr);
  if (sound) sound->finish();
  check(av_write_trailer(format), "write");
  avio_flush(format->pb);
  check(format->pb->error, "write");
  file->finish(Sync::kCached);
}

VideoWriter::VideoWriter(const std::filesystem::path& path, const VideoSettings& settings)
    : state_(std::make_unique<State>()) {
  require_video_name(path);
  require(settings.width > 0 && settings.height > 0 && settings.width <= kMaxSide && settings.height <= kMaxSide,
          fmt::format("{}: a video of {} x {} cannot be encoded: sides are 2 to {}", path.string(), settings.width,
                      settings.height, kMaxSide),
          ErrorKind::kUsage);
  require(settings.width % 2 == 0 && settings.height % 2 == 0,
          fmt::format("{}: a video of {} x {} cannot be encoded as 4:2:0: both sides must be even", path.string(),
                      settings.width, settings.height),
          ErrorKind::kUsage);
  require(settings.fps_numerator > 0 && settings.fps_denominator > 0 && settings.crf >= 0 && settings.crf <= 51 &&
              settings.threads >= 0,
          fmt::format("{}: needs a positive frame rate, crf 0 to 51 and no negative thread count", path.string()),
          ErrorKind::kUsage);
  require(std::ranges::find(kPresets, settings.preset) != kPresets.end(),
          fmt::format("{}: libx264's preset is one of {}, not '{}'", path.string(), fmt::join(kPresets, ", "),
                      settings.preset),
          ErrorKind::kUsage);
  av_log_set_level(AV_LOG_QUIET);  // FFmpeg prints on its own otherwise; its errors come back as codes
  state_->target = path;
  state_->settings = settings;
  state_->file.emplace(path);
  state_->open_codec();
  state_->open_file();
}

VideoWriter::~VideoWriter() = default;

void VideoWriter::write(std::span<const uint8_t> rgb24_frame) {
  State& s = *state_;
  require(!s.file->finished(), s.target.string() + ": written to after it was finished", ErrorKind::kRuntime);
  const size_t expected = static_cast<size_t>(s.settings.width) * static_cast<size_t>(s.settings.height) * 3;
  require(rgb24_frame.size() == expected,
          fmt::format("{}: a frame has {} bytes, expected {}", s.target.string(), rgb24_frame.size(), expected),
          ErrorKind::kRuntime);
  s.check(av_frame_make_writable(s.frame), "encode");
  const uint8_t* from = rgb24_frame.data();
  const int stride = s.settings.width * 3;
  s.check(sws_scale(s.scaler, &from, &stride, 0, s.settings.height, s.frame->data, s.frame->linesize),
          "convert a frame of");
  s.frame->pts = s.frames++;
  s.encode(s.frame);
  if (s.sound) s.sound->write_until(s.seconds());
}

void VideoWriter::set_tag(const char* key, const std::string& text) {
  // The muxer writes them with the file's end.
  state_->check(av_dict_set(&state_->format->metadata, key, text.c_str(), 0), "describe");
}

void VideoWriter::finish() {
  require(!state_->file->finished(), state_->target.string() + ": finished twice", ErrorKind::kRuntime);
  require(state_->frames > 0, state_->target.string() + ": no frame was written", ErrorKind::kRuntime);
  state_->finish();
}

}  // namespace wan
