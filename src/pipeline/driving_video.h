// The files that a driving video is preprocessed into, how its frames are lengthened and cut into clips, and what is
// masked of them. Source: Wan-Video/Wan2.2 wan/animate.py (prepare_source, get_valid_len, inputs_padding,
// get_i2v_mask). Private to pipeline/.
#pragma once

#include <cstdint>
#include <deque>
#include <filesystem>
#include <functional>
#include <future>
#include <memory>
#include <span>
#include <vector>

#include "io/image.h"
#include "io/resize.h"
#include "io/video_frames.h"
#include "pipeline/plan.h"
#include "tensor/tensor.h"

namespace wan {

/// Under the names that the official preprocessing gives them.
struct DrivingFiles {
  std::filesystem::path pose, face, reference;
  std::filesystem::path background, mask;  // of a video whose person is replaced
};
DrivingFiles driving_files(const std::filesystem::path& folder);

/// Counts the frames of all files and looks at their sizes, which are those of `variant`. Throws Error(kInput) naming
/// the file that is missing or does not fit, saying what does.
DrivingPlan look_at_driving_files(const std::filesystem::path& folder, bool replaces, const Variant& variant,
                                  int64_t face_side);

/// Frames to which `frames` are lengthened, so that clips of `clip`, each of which begins with the last `context` of
/// the one before, are whole; and those clips.
int64_t driven_length(int64_t frames, int64_t clip, int64_t context);
int64_t driven_clips(int64_t frames, int64_t clip, int64_t context);

/// The frame at `index` of a video of `count`, 2 or more, that runs to its end and back, again and again.
int64_t to_and_fro(int64_t index, int64_t count);

/// Host F32 [stride, T, H, W], the channels of frames' masks [1 + stride (T - 1), H, W]: of the first latent frame all
/// are the first frame's, of the others one is that of each frame they stand for.
Tensor mask_channels(std::span<const float> frames, int64_t stride, int64_t height, int64_t width);

/// The frames of a video as a clip takes them. Holds few of them at a time.
class DrivenFrames {
 public:
  /// Of a video of `count` frames.
  DrivenFrames(std::filesystem::path file, int64_t count) : file_(std::move(file)), count_(count) {}

  /// Calls take(i, frame) for the frames [first, first + count) of the video to and fro, i from 0, in the order in
  /// which the file has them. A frame that comes twice is decoded once.
  void read(int64_t first, int64_t count, const std::function<void(int64_t i, const Image& frame)>& take);
  /// Begins to decode on a thread of its own what `read` of these frames will give, of `size` each, where they are few
  /// enough to be kept. They stay until they are read.
  void expect(int64_t first, int64_t count, Size size);

 private:
  using Take = std::function<void(int64_t i, const Image& frame)>;
  const Image& next();
  void decode(int64_t first, int64_t count, const Take& take);

  std::filesystem::path file_;
  int64_t count_ = 0;
  std::unique_ptr<VideoFrames> frames_;
  int64_t next_ = 0;          // of the file
  std::deque<Image> recent_;  // the last of those before it
  int64_t ahead_first_ = 0, ahead_count_ = 0;
  std::future<std::vector<Image>> ahead_;  // uses all above: goes first
};

}  // namespace wan
