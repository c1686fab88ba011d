// A picture that moves as in a driving video, on the CPU, against the official code's fp32 outputs: every tensor of
// both clips, and of its variants; and what is refused.
#include <filesystem>
#include <fstream>
#include <functional>
#include <set>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "base/file.h"
#include "io/image.h"
#include "io/tensor_diff.h"
#include "io/video_frames.h"
#include "pipeline/engine.h"
#include "pipeline/plan.h"
#include "pipeline/request.h"
#include "pipeline/request_words.h"
#include "temporary_folder.h"
#include "test_device.h"

namespace wan {
namespace {

using ::testing::AnyOf;
using ::testing::HasSubstr;
namespace fs = std::filesystem;

// As golden_test.cpp has them.
constexpr double kTensorLimit = 1e-4;
constexpr double kVideoLimit = 1e-3;

const fs::path kCheckpoint = test::fixtures() / "mini-animate";

/// A film as a folder of the frames that the official program's decoder gave it, so that no other decoder's rounding is
/// in what follows.
void write_frames(const TensorView& frames, const fs::path& folder) {
  fs::create_directory(folder);
  for (int64_t i = 0; i < frames.shape[0]; ++i) {
    const TensorView frame = frames.at(i);
    Image image{static_cast<int>(frame.shape[1]), static_cast<int>(frame.shape[0]), {}};
    const int64_t copies = frame.rank() == 2 ? 3 : 1;  // a mask has three equal channels
    for (int64_t k = 0; k < frame.count(); ++k) image.rgb.insert(image.rgb.end(), copies, frame.as<uint8_t>()[k]);
    write_png(folder / fmt::format("frame_{:05}.png", i), image);
  }
}

class Animate : public testing::Test {
 protected:
  Animate() {
    fs::create_directory(inputs());
    const TensorFile golden = TensorFile::open(kCheckpoint / "golden.safetensors");
    for (const auto& [name, film] : {std::pair{"input.pose_rgb", "src_pose.mp4"},
                                     {"input.face_rgb", "src_face.mp4"},
                                     {"input.bg_rgb", "src_bg.mp4"},
                                     {"input.mask", "src_mask.mp4"}})
      write_frames(golden.view(name), inputs() / film);
    fs::copy_file(kCheckpoint / "src" / "src_ref.png", inputs() / "src_ref.png");
  }

  fs::path inputs() const { return folder_ / "inputs"; }

  Request request() const {
    Request request;
    request.checkpoint = kCheckpoint;
    request.prompt = "a person is singing, a woman speaks to the camera";
    request.negative_prompt = "画面模糊，最差质量";
    request.animate_inputs = inputs();
    request.frames_per_clip = 9;
    request.steps = 3;
    request.device = test::test_device();
    request.precision = Precision::kF32;
    request.initial_latent = kCheckpoint / "golden.safetensors";
    return request;
  }

  /// Of the golden file's tensors with `prefix` those in the dump, of which there are at least `least`; returns their
  /// names.
  std::set<std::string> expect_matches_golden(Request request, const std::string& prefix, size_t least) const {
    request.dump = folder_ / "dump.safetensors";
    request.dump_level = DumpLevel::kBlocks;
    generate(request);
    const TensorFile ours = TensorFile::open(request.dump);
    const TensorFile golden = TensorFile::open(request.checkpoint / "golden.safetensors");
    const DiffResult result = diff_tensors(ours, golden, {"", prefix});
    EXPECT_GE(result.common.size(), least);
    std::set<std::string> names;
    for (const TensorDifference& d : result.common) {
      names.insert(d.name);
      EXPECT_FALSE(d.shape_differs) << d.name << ": " << d.shapes;
      EXPECT_FALSE(d.not_finite) << d.name;
      EXPECT_LE(d.relative, d.name == "video" ? kVideoLimit : kTensorLimit) << d.name;
    }
    // Without guidance there is no call 1 here: the official files call the next step's so. Nor is there a negative
    // text.
    for (const std::string& name : result.only_b) EXPECT_THAT(name, AnyOf(HasSubstr("call1."), "text.negative"));
    return names;
  }

  /// A file of both clips' noise, of a variant with `prefix`.
  fs::path noise_of(const std::string& prefix) const {
    const TensorFile golden = TensorFile::open(kCheckpoint / "golden.safetensors");
    const fs::path file = folder_ / "noise.safetensors";
    std::vector<SafetensorsWriter::Declared> declared;
    for (const char* name : {"clip0.noise", "clip1.noise"})
      declared.push_back({name, DType::kF32, golden.at(prefix + name).shape});
    SafetensorsWriter writer(file, declared);
    for (const auto& each : declared) writer.write(golden.bytes_of(golden.at(prefix + each.name)));
    writer.finish();
    return file;
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

TEST_F(Animate, TwoClipsEndToEnd) {
  const auto names = expect_matches_golden(request(), "fp32.", 91);
  for (const char* name :
       {"video", "clip_vision.tokens", "clip_vision.block0", "motion_encoder.Q", "clip0.dit.call0.motion_encoder.code",
        "clip1.dit.call0.motion_encoder.motion", "clip0.dit.call0.img_emb",
        "clip1.dit.call0.face_adapter.fuser_blocks.1", "clip1.dit.call0.y", "clip0.dit.call0.pose_latents"})
    EXPECT_TRUE(names.contains(name)) << name;
}

TEST_F(Animate, GuidanceSeesNoFace) {
  Request guided = request();
  guided.steps = 1;
  guided.guidance_scale = 2.5;
  const auto names = expect_matches_golden(guided, "cfg.", 20);
  EXPECT_TRUE(names.contains("clip1.dit.call1.out"));
}

TEST_F(Animate, GoesOnFromFiveFrames) {
  Request five = request();
  five.steps = 1;
  five.frames_per_clip = 13;
  five.context_frames = 5;
  five.initial_latent = noise_of("refert5.");
  const auto names = expect_matches_golden(five, "refert5.", 12);
  EXPECT_TRUE(names.contains("clip1.dit.call0.y"));
}

TEST_F(Animate, ReplacesThePersonWithItsLoraOfLight) {
  Request replacing = request();
  replacing.steps = 1;
  replacing.replace = true;
  replacing.lora = {(kCheckpoint / "relighting_lora.ckpt").string()};
  const ModelSet models = open_models(replacing);
  ASSERT_EQ(models.loras.uses.size(), 1u);
  EXPECT_EQ(models.loras.uses.front().applied, 2 * 12 * 10);  // both factors of 12 matrices in each of 10 blocks
  EXPECT_EQ(models.loras.uses.front().unmatched, 0);
  const auto names = expect_matches_golden(replacing, "replace.", 12);
  EXPECT_TRUE(names.contains("clip1.dit.call0.out"));
}

// From the films themselves, whose chroma FFmpeg enlarges in more ways than one: near.
TEST_F(Animate, ReadsTheFilmsOfTheOfficialPreprocessing) {
  Request films = request();
  films.animate_inputs = kCheckpoint / "src";
  films.replace = true;
  films.steps = 1;
  films.output = folder_ / "moves.mp4";
  films.frames = folder_ / "frames";  // as many, although two clips of 9 that share one have 17
  films.prompt.clear();               // the model has one of its own
  films.dump = folder_ / "dump.safetensors";
  const Outcome outcome = generate(films);
  EXPECT_EQ(outcome.num_frames, 14);
  EXPECT_EQ(outcome.width, 64);
  EXPECT_EQ(outcome.height, 48);
  EXPECT_EQ(outcome.fps, 30);
  for (const fs::path& film : {films.output, films.frames}) {
    const auto frames = open_video_frames(film);
    Image image;
    int64_t count = 0;
    while (frames->next(image)) ++count;
    EXPECT_EQ(count, 14) << film;
  }
}

// On a card also with the layers in page-locked host memory, in the type they are computed in and as they are stored.
TEST_F(Animate, IsTheSameInEveryResidency) {
  Request resident = request();
  resident.steps = 2;
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
TEST_F(Animate, ADitCallOnACardIsNearInBf16) {
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
  EXPECT_EQ(compared, 1);
}

TEST_F(Animate, RefusesWhatItDoesNotTakeOrDoYet) {
  const auto refused = [this](const std::function<void(Request&)>& change, const std::string& saying) {
    Request changed = request();
    change(changed);
    expect_refused(changed, saying);
  };
  refused([](Request& r) { r.animate_inputs.clear(); }, "--animate-inputs");
  refused([](Request& r) { r.animate_inputs = "/nowhere"; }, "/nowhere: is no folder");
  refused([](Request& r) { r.image = kCheckpoint / "src" / "src_ref.png"; },
          "--image: this checkpoint takes its picture");
  refused([](Request& r) { r.width = 64, r.height = 48; }, "--size: the driving video decides");
  refused([](Request& r) { r.num_frames = 13; }, "--num-frames: the driving video decides");
  refused([](Request& r) { r.frames_per_clip = 8; },
          "--frames-per-clip 8: must be one more than a multiple of 4, 5 to");
  refused([](Request& r) { r.frames_per_clip = 9, r.context_frames = 5; }, "--frames-per-clip 9: must be one more");
  refused([](Request& r) { r.context_frames = 4; }, "--context-frames 4: must be 1 or 5");
  refused([](Request& r) { r.audio = "voice.wav"; }, "--audio: animate-14B takes no sound");
  refused([](Request& r) { r.steps = 20, r.step_cache = StepCache::kEasyCache; },
          "--step-cache: does not work with animate-14B yet");
  refused([](Request& r) { r.steps = 20, r.guidance_scale = 2.5, r.cfg_gate = 0.5; }, "--cfg-gate: does not work");
  refused([](Request& r) { r.solver = Solver::kLcm; }, "--solver lcm: does not work");
  refused([](Request& r) { r.replay = r.initial_latent; }, "--replay: does not work");
  Request other = request();
  other.checkpoint = test::fixtures() / "mini-ti2v-t2v";
  expect_refused(other, "--animate-inputs: no driving video moves ti2v-5B: leave it out, or name a checkpoint of");
  other.animate_inputs.clear();
  expect_refused(other, "--frames-per-clip: ti2v-5B makes its video in one piece");
}

TEST_F(Animate, RefusesFilmsThatDoNotFit) {
  const auto with = [this](const char* film, int64_t frames, int64_t height, int64_t width, const std::string& saying) {
    const fs::path place = inputs() / film, kept = folder_ / "kept";
    fs::rename(place, kept);
    if (frames > 0) {
      const Tensor black = host_tensor(DType::kU8, {frames, height, width, 3});
      std::fill_n(black->as<uint8_t>(), black->count(), uint8_t{0});
      write_frames(black, place);
    }
    Request changed = request();
    changed.replace = true;
    expect_refused(changed, saying);
    fs::remove_all(place);
    fs::rename(kept, place);
  };
  with("src_pose.mp4", 0, 0, 0, "src_pose.mp4: is missing");
  with("src_pose.mp4", 1, 48, 64, "src_pose.mp4: has 1 frame, expected 2 or more");
  with("src_pose.mp4", 3, 40, 64,
       "src_pose.mp4: is 64 x 40, which is the video's size: expected sides that are multiples of 16");
  with("src_face.mp4", 14, 64, 32, "src_face.mp4: is 32 x 64, expected 64 x 64");
  with("src_bg.mp4", 14, 64, 64, "src_bg.mp4: is 64 x 64, expected 64 x 48 as src_pose.mp4");
  with("src_mask.mp4", 0, 0, 0, "src_mask.mp4: is missing");
  with("src_ref.png", 0, 0, 0, "src_ref.png: is missing");
}

// What the model's class has in forms that were not published, and a folder without the image encoder.
TEST_F(Animate, RefusesACheckpointOfAnotherForm) {
  const fs::path folder = folder_ / "changed";
  fs::create_directory(folder);
  constexpr const char* kImageEncoder = "models_clip_open-clip-xlm-roberta-large-vit-huge-14.pth";
  for (const auto& entry : fs::directory_iterator(kCheckpoint))
    if (entry.path().filename() != "config.json") fs::create_symlink(entry.path(), folder / entry.path().filename());
  const std::string config = read_text(kCheckpoint / "config.json");
  Request changed = request();
  changed.checkpoint = folder;
  const auto refused = [&](const std::string& from, const std::string& to, const std::string& saying) {
    std::string text = config;
    const size_t at = text.find(from);
    ASSERT_NE(at, std::string::npos) << from;
    write_atomically(folder / "config.json", text.replace(at, from.size(), to));
    expect_refused(changed, saying);
  };
  refused("\"use_img_emb\": true", "\"use_img_emb\": false", "field 'use_img_emb' is false");
  refused("\"num_heads\": 2", "\"num_heads\": 4", "field 'num_heads' is 4, but the tensors have 2");
  refused("\"motion_encoder_dim\": 32", "\"motion_encoder_dim\": 64",
          "field 'motion_encoder_dim' is 64, but the tensors have 32");
  refused("\"image_encoder_heads\": 3", "\"other\": 3", "say them in");
  refused("WanAnimateModel", "WanModel", "is a Wan2.1 model");
  write_atomically(folder / "config.json", config);
  fs::remove(folder / kImageEncoder);
  expect_refused(changed, "the image encoder is missing");
}

}  // namespace
}  // namespace wan
