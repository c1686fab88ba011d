// Which kind a path is, and folders of PNG files; mp4_frames.cpp reads the other kind.
#include "io/video_frames.h"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "base/error.h"
#include "base/file_kind.h"
#include "io/video_frames_kinds.h"

namespace wan {
namespace {

std::filesystem::path frame_file(const std::filesystem::path& folder, int64_t index) {
  return folder / fmt::format("frame_{:05}.png", index);
}

/// As many as lie there from 0 on without a gap.
int64_t count_frames(const std::filesystem::path& folder) {
  int64_t count = 0;
  while (count <= kMostFrames && is_file(frame_file(folder, count))) ++count;
  return count;
}

/// Frames behind a gap are a video that lost some.
void require_no_gap(const std::filesystem::path& folder, int64_t count) {
  int64_t named = 0;
  std::error_code unknown;
  for (const auto& entry : std::filesystem::directory_iterator(folder, unknown)) {
    const std::string name = entry.path().filename().string();
    named += name.starts_with("frame_") && name.ends_with(".png");
  }
  require(named == count, fmt::format("{}: expected {} as the next of its {} frames, found none: name a folder with "
                                      "all frames of one video, numbered from 0",
                                      folder.string(), frame_file(folder, count).filename().string(), named));
}

class FrameFolder final : public VideoFrames {
 public:
  explicit FrameFolder(const std::filesystem::path& folder) {
    const int64_t count = count_frames(folder);
    require(count <= kMostFrames, fmt::format("{}: holds more than {} frames", folder.string(), kMostFrames));
    require_no_gap(folder, count);
    first_ = read_image(frame_file(folder, 0));
    require(int64_t{first_.width} * first_.height <= kMostFramePixels,
            fmt::format("{}: expected frames of {} pixels at most, found {}x{}: give smaller ones", folder.string(),
                        kMostFramePixels, first_.width, first_.height));
    facts_ = {folder, FrameStorage::kPng, first_.width, first_.height, std::nullopt, count};
  }

  bool next(Image& frame) override {
    if (index_ == *facts_.frames) return false;
    const std::filesystem::path file = frame_file(facts_.path, index_);
    frame = index_ == 0 ? std::exchange(first_, Image{}) : read_image(file);
    require_same_size(facts_, frame.width, frame.height, file.string());
    ++index_;
    return true;
  }

 private:
  Image first_;
  int64_t index_ = 0;
};

}  // namespace

void require_same_size(const FramesFacts& facts, int width, int height, const std::string& where) {
  require(width == facts.width && height == facts.height,
          fmt::format("{}: expected {}x{} pixels as of the first frame, found {}x{}: give a video of one size", where,
                      facts.width, facts.height, width, height));
}

std::unique_ptr<VideoFrames> open_frame_folder(const std::filesystem::path& folder) {
  return std::make_unique<FrameFolder>(folder);
}

std::unique_ptr<VideoFrames> open_video_frames(const std::filesystem::path& path) {
  if (is_file(path)) return open_mp4_frames(path);
  require(is_folder(path),
          fmt::format("{}: expected an mp4 or a folder of frame_00000.png, frame_00001.png, ..., found "
                      "{}: name one",
                      path.string(), std::filesystem::exists(path) ? "neither" : "nothing"));
  require(
      is_file(frame_file(path, 0)),
      fmt::format("{}: expected frame_00000.png, frame_00001.png, ... in it, found no frame_00000.png: name a folder "
                  "that `wanbench generate --frames` wrote",
                  path.string()));
  return open_frame_folder(path);
}

}  // namespace wan
