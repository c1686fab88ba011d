// Stands in for what uses FFmpeg in builds without it (WAN_VIDEO=OFF): says so instead.
#include "base/error.h"
#include "io/sound.h"
#include "io/video_frames_kinds.h"
#include "io/video_name.h"
#include "io/video_poster.h"
#include "io/video_tags.h"
#include "io/video_writer.h"

namespace wan {
namespace {

[[noreturn]] void refuse() {
  throw Error(ErrorKind::kUsage,
              "this build writes no mp4 (it was configured with WAN_VIDEO=OFF): ask for PNG frames, or build with "
              "WAN_VIDEO=ON");
}

}  // namespace

struct VideoWriter::State {};

bool can_write_video() { return false; }

VideoWriter::VideoWriter(const std::filesystem::path& path, const VideoSettings&) {
  require_video_name(path);
  refuse();
}
VideoWriter::~VideoWriter() = default;
void VideoWriter::write(std::span<const uint8_t>) { refuse(); }
void VideoWriter::set_tag(const char*, const std::string&) { refuse(); }
void VideoWriter::finish() { refuse(); }

std::unique_ptr<VideoFrames> open_mp4_frames(const std::filesystem::path& video) {
  throw Error(ErrorKind::kUsage, video.string() +
                                     ": this build reads no mp4 (it was configured with WAN_VIDEO=OFF): "
                                     "give the folder of PNG frames");
}

Sound read_sound(const std::filesystem::path& file) {
  throw Error(ErrorKind::kUsage, file.string() + ": this build reads no sound (it was configured with WAN_VIDEO=OFF)");
}

std::vector<float> resampled(std::span<const float>, int, int) { refuse(); }

std::string video_poster(const std::filesystem::path& video) {
  throw Error(ErrorKind::kUsage, video.string() + ": this build reads no mp4 (it was configured with WAN_VIDEO=OFF)");
}

VideoTags read_video_tags(const std::filesystem::path& video) {
  throw Error(ErrorKind::kUsage, video.string() + ": this build reads no mp4 (it was configured with WAN_VIDEO=OFF)");
}

}  // namespace wan
