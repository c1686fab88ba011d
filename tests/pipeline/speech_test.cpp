// Speech to video on the CPU against the official code's fp32 outputs: every tensor of both clips, and what its options
// change; and what is refused.
#include <filesystem>
#include <functional>
#include <string>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "io/image.h"
#include "io/tensor_diff.h"
#include "pipeline/engine.h"
#include "pipeline/request.h"
#include "temporary_folder.h"

namespace wan {
namespace {

using ::testing::HasSubstr;

// As golden_test.cpp has them.
constexpr double kTensorLimit = 1e-4;
constexpr double kVideoLimit = 1e-3;

class SpeechToVideo : public testing::Test {
 protected:
  static Request request() {
    Request request;
    request.checkpoint = std::filesystem::path(WAN_FIXTURES) / "mini-s2v";
    request.prompt = "a person is singing, a woman speaks to the camera";
    request.negative_prompt = "画面模糊，最差质量";
    request.image = request.checkpoint / "input.png";
    request.audio = request.checkpoint / "input.wav";
    request.width = 128;
    request.height = 64;
    request.frames_per_clip = 8;
    request.steps = 3;
    request.device = "cpu";
    request.initial_latent = request.checkpoint / "golden.safetensors";
    return request;
  }

  /// Of the golden file's tensors with `prefix` those in the dump, of which there are at least `least`.
  void expect_matches_golden(Request request, const std::string& prefix, size_t least) const {
    request.dump = folder_ / "dump.safetensors";
    request.dump_level = DumpLevel::kBlocks;
    generate(request);
    const TensorFile ours = TensorFile::open(request.dump);
    const TensorFile golden = TensorFile::open(request.checkpoint / "golden.safetensors");
    const DiffResult result = diff_tensors(ours, golden, {"", prefix});
    EXPECT_GE(result.common.size(), least);
    if (prefix == "fp32.") {
      EXPECT_TRUE(result.only_b.empty()) << "the dump lacks " << result.only_b.front();
    }
    for (const TensorDifference& d : result.common) {
      if (d.name == "audio.embedding" && request.num_clips > 0) continue;  // the official one is of all clips
      EXPECT_FALSE(d.shape_differs) << d.name << ": " << d.shapes;
      EXPECT_FALSE(d.not_finite) << d.name;
      EXPECT_LE(d.relative, d.name == "video" ? kVideoLimit : kTensorLimit) << d.name;
    }
  }

  static void expect_refused(const Request& request, const std::string& saying) {
    try {
      generate(request);
      ADD_FAILURE() << "accepted, expected: " << saying;
    } catch (const Error& problem) {
      EXPECT_THAT(problem.what(), HasSubstr(saying));
    }
  }

  const test::TemporaryFolder folder_;
};

TEST_F(SpeechToVideo, TwoClipsEndToEnd) { expect_matches_golden(request(), "fp32.", 110); }

// The frames as the official program's decoder gave them, every second one: 30 are decoded a second, 16 are made.
TEST_F(SpeechToVideo, TakesAPose) {
  Request pose = request();
  const TensorFile golden = TensorFile::open(pose.checkpoint / "golden.safetensors");
  const TensorView frames = golden.view("input.pose_rgb");
  pose.pose_video = folder_ / "pose";
  std::filesystem::create_directory(pose.pose_video);
  for (int64_t i = 0; 2 * i < frames.shape[0]; ++i) {
    const TensorView frame = frames.at(2 * i);
    write_png(pose.pose_video / fmt::format("frame_{:05}.png", i), static_cast<int>(frame.shape[1]),
              static_cast<int>(frame.shape[0]), {frame.as<uint8_t>(), frame.bytes()});
  }
  pose.steps = 1;
  pose.guidance_scale = 1.0;
  expect_matches_golden(pose, "pose.", 17);
}

// From the mp4 itself, whose chroma FFmpeg enlarges in more ways than one: near, and far from no pose at all.
TEST_F(SpeechToVideo, TakesEverySecondFrameOfAPoseVideo) {
  Request pose = request();
  pose.pose_video = pose.checkpoint / "pose.mp4";
  pose.steps = 1;
  pose.num_clips = 1;
  pose.guidance_scale = 1.0;
  pose.dump = folder_ / "dump.safetensors";
  generate(pose);
  const TensorFile golden = TensorFile::open(pose.checkpoint / "golden.safetensors");
  for (const TensorDifference& d : diff_tensors(TensorFile::open(pose.dump), golden, {"", "pose."}).common)
    if (d.name == "clip0.cond_latents") {
      EXPECT_LE(d.relative, 0.1);
    }
}

TEST_F(SpeechToVideo, GoesOnFromTheImage) {
  Request first = request();
  first.start_from_ref = true;
  first.num_clips = 1;  // of two that the sound has
  first.steps = 1;
  first.guidance_scale = 1.0;
  expect_matches_golden(first, "from_reference.", 9);
}

TEST_F(SpeechToVideo, RefusesWhatItDoesNotTakeOrDoYet) {
  const auto refused = [](const std::function<void(Request&)>& change, const std::string& saying) {
    Request changed = request();
    change(changed);
    expect_refused(changed, saying);
  };
  refused([](Request& r) { r.audio.clear(); }, "name the sound with --audio");
  refused([](Request& r) { r.image.clear(); }, "--image");
  refused([](Request& r) { r.audio = r.image; }, "input.png: cannot read it as WAV, FLAC, MP3 or AAC");
  refused([](Request& r) { r.audio = "/nowhere.wav"; }, "/nowhere.wav");
  refused([](Request& r) { r.num_frames = 13; }, "--num-frames: the sound decides");
  refused([](Request& r) { r.frames_per_clip = 6; }, "--frames-per-clip 6: must be a multiple of 4, at most 120");
  refused([](Request& r) { r.frames_per_clip = 124; }, "--frames-per-clip 124");
  refused([](Request& r) { r.steps = 20, r.step_cache = StepCache::kEasyCache; },
          "--step-cache: does not work with s2v-14B yet");
  refused([](Request& r) { r.steps = 20, r.cfg_gate = 0.5; }, "--cfg-gate: does not work");
  refused([](Request& r) { r.solver = Solver::kLcm; }, "--solver lcm: does not work");
  refused([](Request& r) { r.offload = Offload::kStream; }, "--offload: does not work");
  refused([](Request& r) { r.replay = r.initial_latent; }, "--replay: does not work");
  Request other = request();
  other.checkpoint = std::filesystem::path(WAN_FIXTURES) / "mini-ti2v-t2v";
  other.frames_per_clip = 0;
  expect_refused(other, "--audio: ti2v-5B takes no sound: leave it out, or name a checkpoint of s2v-14B");
  other.audio.clear();
  other.num_clips = 1;
  expect_refused(other, "--num-clips: ti2v-5B takes no sound");
}

}  // namespace
}  // namespace wan
