// Speech to video on the CPU against the official code's fp32 outputs: every tensor of both clips, and what its options
// change; and what is refused.
#include <algorithm>
#include <cmath>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "base/file.h"
#include "io/image.h"
#include "io/sound.h"
#include "io/tensor_diff.h"
#include "io/video_frames.h"
#include "lora_files.h"
#include "pipeline/engine.h"
#include "pipeline/frame_consumer.h"
#include "pipeline/request.h"
#include "pipeline/request_words.h"
#include "temporary_folder.h"
#include "tensor/dtype.h"
#include "test_device.h"

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
    request.checkpoint = test::fixtures() / "mini-s2v";
    request.prompt = "a person is singing, a woman speaks to the camera";
    request.negative_prompt = "画面模糊，最差质量";
    request.image = request.checkpoint / "input.png";
    request.audio = request.checkpoint / "input.wav";
    request.width = 128;
    request.height = 64;
    request.frames_per_clip = 8;
    request.steps = 3;
    request.device = test::test_device();
    request.precision = Precision::kF32;
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
  pose.output = folder_ / "posed.mp4";  // which says what pose it was made of
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
  int compared = 0;
  for (const TensorDifference& d : diff_tensors(TensorFile::open(pose.dump), golden, {"", "pose."}).common)
    if (d.name == "clip0.cond_latents") {
      ++compared;
      EXPECT_LE(d.relative, 0.1);
    }
  EXPECT_EQ(compared, 1);
}

TEST_F(SpeechToVideo, GoesOnFromTheImage) {
  Request first = request();
  first.start_from_ref = true;
  first.num_clips = 1;  // of two that the sound has
  first.steps = 1;
  first.guidance_scale = 1.0;
  expect_matches_golden(first, "from_reference.", 9);
}

// 0.83 s of sound: officially 13 frames of two clips, of which 13 are kept, and a second clip that begins before its
// end.
TEST_F(SpeechToVideo, TheMp4HasTheSoundAndEndsWithIt) {
  Request spoken = request();
  spoken.initial_latent.clear();
  spoken.frames_per_clip = 4;
  spoken.steps = 1;
  spoken.guidance_scale = 1.0;
  spoken.output = folder_ / "spoken.mp4";
  const auto frames_in = [](const std::filesystem::path& video) {
    const auto frames = open_video_frames(video);
    Image image;
    int64_t count = 0;
    while (frames->next(image)) ++count;
    return count;
  };
  const Sound original = read_sound(spoken.audio);
  const auto audible = static_cast<int64_t>(std::ceil(original.seconds() * 16));
  const Outcome outcome = generate(spoken);
  EXPECT_EQ(outcome.num_frames, 4 * 4 - 3);
  EXPECT_EQ(frames_in(spoken.output), std::min(outcome.num_frames, audible));
  const Sound sound = read_sound(spoken.output);
  EXPECT_EQ(sound.rate, original.rate);
  EXPECT_EQ(sound.channels, original.channels);
  EXPECT_NEAR(sound.seconds(), static_cast<double>(frames_in(spoken.output)) / 16, 0.07);  // whole AAC frames
  double product = 0, ours = 0, theirs = 0;
  for (size_t i = 0; i < std::min(sound.samples.size(), original.samples.size()); ++i) {
    product += double{sound.samples[i]} * original.samples[i];
    ours += double{sound.samples[i]} * sound.samples[i];
    theirs += double{original.samples[i]} * original.samples[i];
  }
  EXPECT_GT(product / std::sqrt(ours * theirs), 0.95) << "begins at another instant";
}

TEST_F(SpeechToVideo, AlignedSoundLosesWhatTheFirstClipDoes) {
  Mp4File file(folder_ / "aligned.mp4");
  VideoInfo video;
  video.width = video.height = 64;
  video.num_frames = 13;
  video.fps = 16;
  video.sound = request().audio;
  video.sound_from_s = 3.0 / 16;
  const double rest = read_sound(video.sound).seconds() - video.sound_from_s;
  file.begin(video);
  for (int i = 0; i < 13; ++i) file.frame(std::vector<uint8_t>(64 * 64 * 3, static_cast<uint8_t>(20 * i)));
  file.finish();
  EXPECT_NEAR(read_sound(folder_ / "aligned.mp4").seconds(), rest, 0.07);
  const auto frames = open_video_frames(folder_ / "aligned.mp4");
  Image image;
  int64_t count = 0;
  while (frames->next(image)) ++count;
  EXPECT_EQ(count, static_cast<int64_t>(std::ceil(rest * 16)));
}

// What the model's class has in forms that were not published, and a folder without the audio encoder.
TEST_F(SpeechToVideo, RefusesACheckpointOfAnotherForm) {
  const std::filesystem::path folder = folder_ / "changed";
  std::filesystem::create_directory(folder);
  Request changed = request();
  for (const auto& entry : std::filesystem::directory_iterator(changed.checkpoint))
    if (entry.path().filename() != "config.json" && entry.path().filename() != "golden.safetensors")
      std::filesystem::create_symlink(entry.path(), folder / entry.path().filename());
  const std::string config = read_text(changed.checkpoint / "config.json");
  changed.initial_latent.clear();
  changed.checkpoint = folder;
  const auto refused = [&](const std::string& from, const std::string& to, const std::string& saying) {
    std::string text = config;
    const size_t at = text.find(from);
    ASSERT_NE(at, std::string::npos) << from;
    write_atomically(folder / "config.json", text.replace(at, from.size(), to));
    expect_refused(changed, saying);
  };
  refused("\"enable_motioner\": false", "\"enable_motioner\": true", "field 'enable_motioner' is true");
  refused("\"enable_framepack\": true", "\"enable_framepack\": false", "field 'enable_framepack' is false");
  refused("\"zero_timestep\": true", "\"zero_timestep\": false", "field 'zero_timestep' is false");
  refused("\"attn_norm\"", "\"other\"", "field 'adain_mode' is 'other'");
  refused("\"audio_inject_layers\"", "\"left_out\"", "field 'audio_inject_layers' is missing");
  refused("    2\n  ]", "    3\n  ]", "2 numbers of blocks, ascending, below 3");
  refused("\"num_audio_token\": 4", "\"num_audio_token\": 5", "field 'num_audio_token' is 5, but the tensors have 4");
  refused("\"model_type\": \"s2v\"", "\"model_type\": \"ti2v\"", "model_type is ti2v, whose DiT takes no audio");
  write_atomically(folder / "config.json", config);
  std::filesystem::remove(folder / "wav2vec2-large-xlsr-53-english");
  expect_refused(changed, "the audio encoder is missing");
}

TEST_F(SpeechToVideo, StartsFromNoiseOfSixteenBits) {
  Request drawn = request();
  drawn.initial_latent.clear();
  drawn.num_clips = drawn.steps = 1;
  drawn.dump = folder_ / "dump.safetensors";
  generate(drawn);
  const TensorFile dump = TensorFile::open(drawn.dump);
  const StoredTensor& noise = dump.at("clip0.noise");
  std::vector<float> values(static_cast<size_t>(noise.shape.count()));
  decode(dump, {"clip0.noise", noise.shape, WeightScheme::kPlain, &noise}, 0, noise.shape.count(), values.data());
  EXPECT_TRUE(std::ranges::all_of(values, [](float value) { return value == round_to_bf16(value); }));
}

// On a card also with the layers in page-locked host memory, in the type they are computed in and as they are stored.
TEST_F(SpeechToVideo, IsTheSameInEveryResidency) {
  Request resident = request();
  resident.num_clips = 1;
  resident.offload = Offload::kNone;
  const std::string frames = generate(resident).video_sha256;
  std::vector<Offload> others{Offload::kPacked};
  if (test::tests_a_card()) others.insert(others.end(), {Offload::kStream, Offload::kPackedStream, Offload::kMapped});
  for (const Offload offload : others) {
    Request other = resident;
    other.offload = offload;
    EXPECT_EQ(generate(other).video_sha256, frames) << enum_name(offload);
  }
}

// Of the first clip's first step, whose input no earlier rounding has changed.
TEST_F(SpeechToVideo, ADitCallOnACardIsNearInBf16) {
  if (!test::tests_a_card()) GTEST_SKIP() << "the CPU has no bf16";
  constexpr double kCallLimit = 6e-3;  // of the official bf16 runs of the other miniatures: 3e-3 to 5e-3
  Request near = request();
  near.precision = Precision::kBF16;
  near.steps = 3;
  near.dump = folder_ / "dump.safetensors";
  near.dump_level = DumpLevel::kBlocks;
  generate(near);
  const TensorFile golden = TensorFile::open(near.checkpoint / "golden.safetensors");
  int compared = 0;
  for (const TensorDifference& d : diff_tensors(TensorFile::open(near.dump), golden, {"", "fp32."}).common) {
    if (!d.name.starts_with("clip0.dit.call") || !d.name.ends_with(".out")) continue;
    ++compared;
    EXPECT_LE(d.relative, kCallLimit) << d.name;
  }
  EXPECT_EQ(compared, 2);
}

TEST_F(SpeechToVideo, TakesLorasOfItsBlocksAndItsInjectors) {
  Request plain = request();
  plain.num_clips = plain.steps = 1;
  const std::string frames = generate(plain).video_sha256;
  for (const char* module : {"blocks.1.self_attn.q", "audio_injector.injector.1.q"}) {
    test::FileTensors tensors;
    test::add_pair(tensors, fmt::format("{}.lora_A.weight", module), fmt::format("{}.lora_B.weight", module), 64, 64,
                   4);
    const std::filesystem::path file = folder_ / "lora.safetensors";
    test::write_safetensors(file, tensors);
    Request changed = plain;
    changed.lora = {file.string()};
    EXPECT_NE(generate(changed).video_sha256, frames) << module;
    changed.lora = {file.string() + "=0"};
    EXPECT_EQ(generate(changed).video_sha256, frames) << module;
  }
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
  refused([](Request& r) { r.replay = r.initial_latent; }, "--replay: does not work");
  refused([](Request& r) { r.pose_video = "/nowhere"; }, "/nowhere");
  Request other = request();
  other.checkpoint = test::fixtures() / "mini-ti2v-t2v";
  other.frames_per_clip = 0;
  expect_refused(other, "--audio: ti2v-5B takes no sound: leave it out, or name a checkpoint of s2v-14B");
  other.audio.clear();
  other.num_clips = 1;
  expect_refused(other, "--num-clips: ti2v-5B takes no sound");
}

}  // namespace
}  // namespace wan
