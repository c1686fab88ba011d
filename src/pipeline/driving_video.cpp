#include "pipeline/driving_video.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "base/error.h"

namespace wan {
namespace {

constexpr int64_t kKeptFrames = 8;  // no fewer than two clips may share

/// One video's size and number of frames.
FramesFacts looked_at(const std::filesystem::path& file) {
  constexpr int64_t kFewest = 2;  // to run to and fro over
  require(std::filesystem::exists(file),
          fmt::format("{}: is missing: name the folder that the official preprocess_data.py saved with "
                      "--animate-inputs",
                      file.string()));
  const auto frames = open_video_frames(file);
  FramesFacts facts = frames->facts();
  Image frame;
  int64_t count = 0;
  while (frames->next(frame)) ++count;
  require(count >= kFewest, fmt::format("{}: has {} frame, expected {} or more", file.string(), count, kFewest));
  facts.frames = count;
  return facts;
}

}  // namespace

DrivingFiles driving_files(const std::filesystem::path& folder) {
  return {folder / "src_pose.mp4", folder / "src_face.mp4", folder / "src_ref.png", folder / "src_bg.mp4",
          folder / "src_mask.mp4"};
}

DrivingPlan look_at_driving_files(const std::filesystem::path& folder, bool replaces, const Variant& variant,
                                  int64_t face_side) {
  const DrivingFiles files = driving_files(folder);
  require(std::filesystem::is_directory(folder),
          fmt::format("{}: is no folder: name the one that the official preprocess_data.py saved", folder.string()));
  DrivingPlan out;
  const FramesFacts pose = looked_at(files.pose);
  const int64_t step = variant.side_step();
  require(pose.width % step == 0 && pose.height % step == 0,
          fmt::format("{}: is {} x {}, which is the video's size: expected sides that are multiples of {}",
                      files.pose.string(), pose.width, pose.height, step));
  out.width = pose.width;
  out.height = pose.height;
  out.pose_frames = *pose.frames;
  const FramesFacts face = looked_at(files.face);
  require(face.width == face_side && face.height == face_side,
          fmt::format("{}: is {} x {}, expected {} x {}, which the model's motion encoder takes", files.face.string(),
                      face.width, face.height, face_side, face_side));
  out.face_frames = *face.frames;
  require(std::filesystem::exists(files.reference),
          fmt::format("{}: is missing: the picture of who is to move", files.reference.string()));
  if (!replaces) return out;
  const auto like_pose = [&](const std::filesystem::path& file) {
    const FramesFacts facts = looked_at(file);
    require(facts.width == pose.width && facts.height == pose.height,
            fmt::format("{}: is {} x {}, expected {} x {} as {}", file.string(), facts.width, facts.height, pose.width,
                        pose.height, files.pose.filename().string()));
    return *facts.frames;
  };
  out.background_frames = like_pose(files.background);
  out.mask_frames = like_pose(files.mask);
  return out;
}

int64_t driven_length(int64_t frames, int64_t clip, int64_t context) {
  return context + driven_clips(frames, clip, context) * (clip - context);
}

int64_t driven_clips(int64_t frames, int64_t clip, int64_t context) {
  const int64_t own = clip - context;
  return std::max<int64_t>(1, (frames - context + own - 1) / own);
}

int64_t to_and_fro(int64_t index, int64_t count) {
  const int64_t last = count - 1, place = index % (2 * last);
  return place <= last ? place : 2 * last - place;
}

Tensor mask_channels(std::span<const float> frames, int64_t stride, int64_t height, int64_t width) {
  const int64_t plane = height * width, count = std::ssize(frames) / plane, latents = (count - 1) / stride + 1;
  Tensor out = host_tensor(DType::kF32, {stride, latents, height, width});
  for (int64_t channel = 0; channel < stride; ++channel)
    for (int64_t t = 0; t < latents; ++t) {
      const int64_t frame = t == 0 ? 0 : 1 + (t - 1) * stride + channel;
      std::copy_n(frames.data() + frame * plane, plane, out->as<float>() + (channel * latents + t) * plane);
    }
  return out;
}

const Image& DrivenFrames::next() {
  Image frame;
  require(frames_->next(frame),
          fmt::format("{}: has fewer frames than it had: it was changed while it was read", file_.string()));
  if (std::ssize(recent_) == kKeptFrames) recent_.pop_front();
  recent_.push_back(std::move(frame));
  ++next_;
  return recent_.back();
}

void DrivenFrames::expect(int64_t first, int64_t count, Size size) {
  constexpr int64_t kMostBytes = int64_t{1} << 30;
  if (count * 3 * size.width * size.height > kMostBytes) return;
  if (ahead_.valid()) ahead_.wait();
  ahead_first_ = first;
  ahead_count_ = count;
  ahead_ = std::async(std::launch::async, [this, first, count] {
    std::vector<Image> frames(static_cast<size_t>(count));
    decode(first, count, [&](int64_t i, const Image& frame) { frames[static_cast<size_t>(i)] = frame; });
    return frames;
  });
}

void DrivenFrames::read(int64_t first, int64_t count, const Take& take) {
  if (!ahead_.valid()) return decode(first, count, take);
  const std::vector<Image> frames = ahead_.get();
  if (ahead_first_ != first || ahead_count_ != count) return decode(first, count, take);
  for (int64_t i = 0; i < count; ++i) take(i, frames[static_cast<size_t>(i)]);
}

void DrivenFrames::decode(int64_t first, int64_t count, const Take& take) {
  int64_t lowest = count_ - 1, highest = 0;
  for (int64_t i = 0; i < count; ++i) {
    lowest = std::min(lowest, to_and_fro(first + i, count_));
    highest = std::max(highest, to_and_fro(first + i, count_));
  }
  if (!frames_ || lowest < next_ - std::ssize(recent_)) {
    frames_ = open_video_frames(file_);
    next_ = 0;
    recent_.clear();
  }
  const auto give = [&](int64_t frame, const Image& image) {
    for (int64_t i = 0; i < count; ++i)
      if (to_and_fro(first + i, count_) == frame) take(i, image);
  };
  for (int64_t frame = next_ - std::ssize(recent_); frame <= highest; ++frame) {
    const bool is_recent = frame < next_;
    const Image& image = is_recent ? recent_[static_cast<size_t>(frame - (next_ - std::ssize(recent_)))] : next();
    if (frame >= lowest) give(frame, image);
  }
}

}  // namespace wan
