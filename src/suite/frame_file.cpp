#include "suite/frame_file.h"

#include <utility>

#include <fmt/format.h>

#include "base/error.h"

namespace wan::suite {
namespace {

class FramesOfFile final : public VideoFrames {
 public:
  FramesOfFile(const std::filesystem::path& path, const VideoInfo& video) : in_(path, std::ios::binary) {
    require(in_.is_open(), fmt::format("{}: cannot be read back", path.string()), ErrorKind::kRuntime);
    facts_ = {path,      FrameStorage::kAsComputed, static_cast<int>(video.width), static_cast<int>(video.height),
              video.fps, video.num_frames};
  }
  bool next(Image& frame) override {
    if (read_ == *facts_.frames) return false;
    frame.width = facts_.width;
    frame.height = facts_.height;
    frame.rgb.resize(3 * static_cast<size_t>(frame.width) * static_cast<size_t>(frame.height));
    in_.read(reinterpret_cast<char*>(frame.rgb.data()), static_cast<std::streamsize>(frame.rgb.size()));
    require(in_.good(), fmt::format("{}: frame {} cannot be read back", facts_.path.string(), read_),
            ErrorKind::kRuntime);
    ++read_;
    return true;
  }

 private:
  std::ifstream in_;
  int64_t read_ = 0;
};

}  // namespace

void FrameFile::require_written() const {
  require(
      out_.good(),
      fmt::format("{}: cannot be written: the frames of one video as they are need {:.2f} GiB there", path_.string(),
                  3.0 * double(video_.width) * double(video_.height) * double(video_.num_frames) / (1 << 30)),
      ErrorKind::kRuntime);
}

void FrameFile::begin(const VideoInfo& video) {
  video_ = video;
  out_.open(part(), std::ios::binary | std::ios::trunc);
  require_written();
}

void FrameFile::frame(std::span<const uint8_t> rgb) {
  out_.write(reinterpret_cast<const char*>(rgb.data()), static_cast<std::streamsize>(rgb.size()));
  require_written();
}

void FrameFile::finish() {
  out_.close();
  require_written();
}

void FrameFile::abandon() noexcept {
  std::error_code ignored;
  std::filesystem::remove(part(), ignored);
}

std::filesystem::path FrameFile::part() const {
  std::filesystem::path name = path_;
  return name += ".part";
}

std::unique_ptr<VideoFrames> FrameFile::open() const { return std::make_unique<FramesOfFile>(part(), video_); }

void FrameFile::keep() {
  std::error_code failure;
  std::filesystem::rename(part(), path_, failure);
  require(!failure, fmt::format("{}: cannot be kept: {}", path_.string(), failure.message()), ErrorKind::kRuntime);
  is_kept_ = true;
}

std::unique_ptr<VideoFrames> open_kept_frames(const std::filesystem::path& path, const VideoInfo& video) {
  std::error_code missing;
  const uintmax_t found = std::filesystem::file_size(path, missing);
  const uintmax_t expected = 3 * static_cast<uintmax_t>(video.width) * static_cast<uintmax_t>(video.height) *
                             static_cast<uintmax_t>(video.num_frames);
  require(!missing && found == expected,
          fmt::format("{}: expected the {} bytes of {} frames of {}x{}, found {}", path.string(), expected,
                      video.num_frames, video.width, video.height, missing ? "no file" : std::to_string(found)),
          ErrorKind::kRuntime);
  return std::make_unique<FramesOfFile>(path, video);
}

}  // namespace wan::suite
