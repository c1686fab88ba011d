// Several ranks make the video that one makes: the same bytes of frames, however they share it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <filesystem>
#include <functional>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "base/error.h"
#include "io/image.h"
#include "io/tensor_file.h"
#include "pipeline/decisions.h"
#include "pipeline/engine.h"
#include "pipeline/parallel.h"
#include "pipeline/plan.h"
#include "temporary_folder.h"

namespace wan {
namespace {

using testing::AllOf;
using testing::HasSubstr;

Request miniature(const std::string& fixture) {
  Request request;
  request.checkpoint = std::filesystem::path(WAN_FIXTURES) / fixture;
  request.prompt = "a red circle moves left across a dark background";
  request.steps = 3;
  request.device = "cpu";
  return request;
}

/// 24 tokens: ranks have 16 and 8.
Request text_to_video() {
  Request request = miniature("mini-ti2v-t2v");
  request.width = 96;
  request.height = 64;
  request.num_frames = 13;
  return request;
}

/// 18 tokens, those of the first frame of another time.
Request image_to_video() {
  Request request = miniature("mini-ti2v-i2v");
  request.image = request.checkpoint / "input.png";
  request.width = 64;
  request.height = 96;
  request.num_frames = 9;
  return request;
}

/// The picture of a video of 32 x 256.
std::filesystem::path narrow_picture() {
  static const test::TemporaryFolder folder;
  Image image{32, 256, std::vector<uint8_t>(32 * 256 * 3)};
  for (size_t i = 0; i < image.rgb.size(); ++i) image.rgb[i] = static_cast<uint8_t>(i * i / 97);
  write_png(folder / "narrow.png", image);
  return folder / "narrow.png";
}

/// Two columns of the latent: fewer than four ranks.
Request narrow_image_to_video() {
  Request request = image_to_video();
  request.image = narrow_picture();
  request.width = 32;
  request.height = 256;
  request.num_frames = 17;
  return request;
}

/// Fourteen columns: of four ranks two have four and two three.
Request odd_text_to_video() {
  Request request = text_to_video();
  request.width = 224;
  request.height = 32;
  return request;
}

/// Two experts, and guidance by the first alone: later steps have one branch.
Request two_experts() {
  Request request = miniature("mini-t2v-moe");
  request.width = request.height = 64;
  request.num_frames = 9;
  request.steps = 4;
  request.guidance_high = 4.0;
  request.guidance_low = 1.0;
  return request;
}

Request shared(Request request, const std::string& gpus, const std::string& parallel) {
  request.gpus = gpus;
  request.parallel = parallel;
  return request;
}

struct Video {
  const char* name;
  Request (*request)();
};
void PrintTo(const Video& video, std::ostream* out) { *out << video.name; }

class RanksOf : public testing::TestWithParam<Video> {};
INSTANTIATE_TEST_SUITE_P(Miniatures, RanksOf,
                         testing::Values(Video{"text", text_to_video}, Video{"image", image_to_video},
                                         Video{"narrow", narrow_image_to_video}, Video{"odd", odd_text_to_video},
                                         Video{"experts", two_experts}),
                         [](const auto& tested) { return tested.param.name; });

TEST_P(RanksOf, MakeTheFramesOfOne) {
  const Request request = GetParam().request();
  const std::string alone = generate(request).video_sha256;
  using Way = std::pair<const char*, const char*>;
  for (const auto& [gpus, parallel] : {Way{"2", "cfg=2"}, Way{"2", "ulysses=2"}, Way{"4", "cfg=2,ulysses=2"}}) {
    const Outcome outcome = generate(shared(request, gpus, parallel));
    EXPECT_EQ(outcome.video_sha256, alone) << parallel;
  }
}

TEST(Ranks, AreOfOneRequestOfAnEngine) {
  const Request request = text_to_video();
  const std::string alone = generate(request).video_sha256;
  Engine engine;
  for (const char* gpus : {"2", "", "4", "4", "2"}) {
    Request another = request;
    another.gpus = gpus;
    EXPECT_EQ(engine.generate(another).video_sha256, alone) << gpus;
  }
}

TEST(Ranks, AccountForTheWholeVideo) {
  const Outcome alone = generate(text_to_video());
  for (const char* parallel : {"cfg=2", "ulysses=2"})
    EXPECT_EQ(generate(shared(text_to_video(), "2", parallel)).forwards, alone.forwards) << parallel;
}

TEST(Ranks, LeaveOneSetOfOutputs) {
  const test::TemporaryFolder folder;
  Request request = text_to_video();
  request.dump = folder / "one.safetensors";
  request.frames = folder / "one";
  generate(request);
  request.dump = folder / "two.safetensors";
  request.frames = folder / "two";
  generate(shared(request, "2", "auto"));
  const TensorFile one = TensorFile::open(folder / "one.safetensors");
  const TensorFile two = TensorFile::open(folder / "two.safetensors");
  ASSERT_EQ(one.tensors().size(), two.tensors().size());
  for (const StoredTensor& tensor : one.tensors()) EXPECT_NE(two.find(tensor.name), nullptr) << tensor.name;
  size_t frames = 0;
  for (const auto& entry : std::filesystem::directory_iterator(request.frames)) frames += entry.is_regular_file();
  EXPECT_EQ(frames, 13u);
}

/// Does something when a denoising step begins.
class AtStep final : public NullObserver {
 public:
  AtStep(int step, std::function<void()> action) : step_(step), action_(std::move(action)) {}
  void on_begin(const StageId& stage, int) override {
    if (stage.role == StageRole::kStepInference && stage.index == step_) action_();
  }
  void on_plan(const Plan& plan) override { decisions = decisions_of(plan); }
  Decisions decisions;

 private:
  int step_;
  std::function<void()> action_;
};

TEST(Ranks, ARankThatThrowsIsNamedAndTheEngineGoesOn) {
  const Request request = shared(text_to_video(), "2", "ulysses=2");
  Engine engine;
  AtStep broken(1, [] { throw Error("the watcher's disk is full"); });
  try {
    engine.generate(request, {&broken});
    FAIL() << "did not throw";
  } catch (const Error& error) {
    EXPECT_THAT(error.what(),
                AllOf(HasSubstr("rank 0 of 2, in Step_1_Inference, after all_gather head"), HasSubstr("disk is full")));
  }
  EXPECT_EQ(engine.generate(request).video_sha256, generate(text_to_video()).video_sha256);
}

class FailsAtTheEnd final : public FrameConsumer {
 public:
  void begin(const VideoInfo&) override {}
  void frame(std::span<const uint8_t>) override {}
  void finish() override { throw Error("the disk is full"); }
  void abandon() noexcept override {}
};

TEST(Ranks, ShareTheDecodingToo) {
  FailsAtTheEnd broken;
  CallOptions call;
  call.consumers = {&broken};
  try {
    generate(shared(text_to_video(), "2", "ulysses=2"), call);
    FAIL() << "did not throw";
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), AllOf(HasSubstr("rank 0 of 2, in VAE_Decoding, after all_to_all of decoded columns"),
                                    HasSubstr("full")));
  }
}

TEST(Ranks, AStopEndsAllOfThem) {
  StopSource stop;
  AtStep stopping(1, [&] { stop.request_stop(); });
  try {
    generate(shared(text_to_video(), "4", "auto"), {&stopping, &stop});
    FAIL() << "did not stop";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::kInterrupted);
    EXPECT_THAT(error.what(), HasSubstr("interrupted; no unfinished file is left"));
  }
}

/// Keeps the facts.
class Facts final : public NullObserver {
 public:
  void on_fact(const std::string& key, const std::string& value) override { facts[key] = value; }
  std::map<std::string, std::string> facts;
};

TEST(Ranks, SayWhereTheVaeHasNoColumnsForAll) {
  Facts narrow, wide;
  generate(shared(narrow_image_to_video(), "4", "auto"), {&narrow});
  EXPECT_EQ(narrow.facts["vae_ranks"], "2 of 4: the latent has no more columns");
  generate(shared(text_to_video(), "4", "auto"), {&wide});
  EXPECT_EQ(wide.facts.count("vae_ranks"), 0u);
}

TEST(Ranks, SayHowTheyShare) {
  AtStep watcher(-1, [] {});
  generate(shared(text_to_video(), "4", "auto"), {&watcher});
  EXPECT_EQ(watcher.decisions.ranks, 4);
  EXPECT_EQ(watcher.decisions.parallel, "cfg=2,ulysses=2");
  EXPECT_EQ(watcher.decisions.device_count, 1);
}

std::string refused(const std::function<void()>& action) {
  try {
    action();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::kUsage) << error.what();
    return error.what();
  }
  return "nothing was refused";
}

std::string refused(const std::string& gpus, const std::string& parallel, const Shareable& video = {true, 12, 100}) {
  return refused([&] { choose_parallel(shared({}, gpus, parallel), video); });
}

TEST(Parallel, IsChosenBranchesFirst) {
  const auto chosen = [](const char* gpus, const Shareable& video, const char* parallel = "") {
    return choose_parallel(shared({}, gpus, parallel), video).text();
  };
  const Shareable guided{true, 12, 100}, plain{false, 12, 100};
  EXPECT_EQ(chosen("", guided), "cfg=1,ulysses=1");
  EXPECT_EQ(chosen("1", guided), "cfg=1,ulysses=1");
  EXPECT_EQ(chosen("2", guided), "cfg=2,ulysses=1");
  EXPECT_EQ(chosen("2", plain), "cfg=1,ulysses=2");
  EXPECT_EQ(chosen("4", guided), "cfg=2,ulysses=2");
  EXPECT_EQ(chosen("3", guided), "cfg=1,ulysses=3");
  EXPECT_EQ(chosen("0,5", guided), "cfg=2,ulysses=1");
  EXPECT_EQ(chosen("4", guided, "auto"), "cfg=2,ulysses=2");
  EXPECT_EQ(chosen("4", guided, "ulysses=4"), "cfg=1,ulysses=4");
  EXPECT_EQ(chosen("4", guided, "ulysses=2,cfg=2"), "cfg=2,ulysses=2");
}

TEST(Parallel, RefusesWhatCannotBeSharedAndSaysWhy) {
  for (const char* gpus : {"0", "65", "two", "1,1", "1,", "-1", "2.5"})
    EXPECT_THAT(refused(gpus, ""), HasSubstr("--gpus " + std::string(gpus) + ": expected how many")) << gpus;
  for (const char* parallel : {"cfg", "cfg=", "cfg=0", "tensor=2", "cfg=1,cfg=2", "cfg=2,", "cfg=x"})
    EXPECT_THAT(refused("2", parallel), HasSubstr("expected auto, cfg=C, ulysses=U")) << parallel;
  EXPECT_THAT(refused("3", "cfg=2"), HasSubstr("--parallel cfg=2: that is 2 ranks, and --gpus asks for 3"));
  EXPECT_THAT(refused("", "ulysses=2"), HasSubstr("that is 2 ranks, and --gpus asks for 1"));
  EXPECT_THAT(refused("3", "cfg=3"), HasSubstr("guidance has two branches"));
  EXPECT_THAT(refused("2", "cfg=2", {false, 12, 100}), HasSubstr("no step of this video is guided"));
  EXPECT_THAT(refused("5", "auto"), HasSubstr("--gpus 5: ulysses=5: it does not divide the model's 12 heads"));
  EXPECT_THAT(refused("6", "ulysses=6", {true, 12, 50}), HasSubstr("the video's 50 tokens are too few"));
}

TEST(Ranks, RefuseWhatTheyCannotShareYet) {
  const auto refusal = [](const std::function<void(Request&)>& change) {
    Request request = shared(text_to_video(), "2", "");
    change(request);
    return refused([&] { generate(request); });
  };
  EXPECT_THAT(refusal([](Request& r) { r.gpus = "0,1"; }), HasSubstr("--gpus 0,1: a list is of cards"));
  EXPECT_THAT(refusal([](Request& r) { r.dit_precision = Precision::k8Bit; }), HasSubstr("8bit is of one rank"));
  EXPECT_THAT(refusal([](Request& r) { r.step_cache = StepCache::kEasyCache; }), HasSubstr("--step-cache"));
  EXPECT_THAT(refusal([](Request& r) { r.dump = "/nowhere", r.dump_level = DumpLevel::kBlocks; }),
              HasSubstr("--dump-level blocks is of one rank"));
  EXPECT_THAT(refusal([](Request& r) { r.gpus = "3"; }), HasSubstr("does not divide the model's 2 heads"));
}

}  // namespace
}  // namespace wan
