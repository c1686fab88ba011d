// Stands in for video_writer.cpp in builds without FFmpeg (WAN_VIDEO=OFF): says so instead of writing mp4.
#include "base/error.h"
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

VideoWriter::VideoWriter(const std::filesystem::path&, const VideoSettings&) { refuse(); }
VideoWriter::~VideoWriter() = default;
void VideoWriter::write(std::span<const uint8_t>) { refuse(); }
void VideoWriter::finish() { refuse(); }

}  // namespace wan
