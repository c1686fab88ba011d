// LoRAs of a request: how they are named, what they are for, and what they change.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <functional>
#include <set>

#include "base/error.h"
#include "lora_files.h"
#include "pipeline/decisions.h"
#include "pipeline/engine.h"
#include "pipeline/request.h"
#include "pipeline/request_options.h"
#include "pipeline/weight_files.h"
#include "temporary_folder.h"

namespace wan {
namespace {

namespace fs = std::filesystem;
using testing::AllOf;
using testing::HasSubstr;

std::string refusal(const std::function<void()>& act, ErrorKind kind) {
  try {
    act();
  } catch (const Error& problem) {
    EXPECT_EQ(problem.kind(), kind) << problem.what();
    return problem.what();
  }
  return "accepted";
}

TEST(LoraText, IsAFileOrAFileAndAStrength) {
  EXPECT_EQ(lora_choice("a.safetensors", "--lora"), (LoraChoice{"a.safetensors", 1, ""}));
  EXPECT_EQ(lora_choice("a.safetensors=0.7", "--lora"), (LoraChoice{"a.safetensors", 0.7, ""}));
  EXPECT_EQ(lora_choice("a=b.safetensors=-1e-1", "--lora-low", "low_noise"),
            (LoraChoice{"a=b.safetensors", -0.1, "low_noise"}));
  EXPECT_EQ(lora_choice("a=0", "--lora").strength, 0);
}

TEST(LoraText, MayHoldTheSignInTheNameOfAFileThatIsThere) {
  const test::TemporaryFolder folder;
  const fs::path file = folder / "rank=64";
  std::ofstream(file) << "x";
  EXPECT_EQ(lora_choice(file.string(), "--lora"), (LoraChoice{file, 1, ""}));
  EXPECT_EQ(lora_choice(file.string() + "=2", "--lora"), (LoraChoice{file, 2, ""}));
}

TEST(LoraText, IsRefusedWithTheFlagAndWhatWasFound) {
  for (const char* bad : {"a.safetensors=", "a.safetensors=strong", "a.safetensors=nan", "a.safetensors=1e9",
                          "a.safetensors=0x1", "a.safetensors= 1"})
    EXPECT_THAT(refusal([&] { lora_choice(bad, "--lora-high"); }, ErrorKind::kUsage),
                AllOf(HasSubstr("--lora-high"), HasSubstr("a number from -100 to 100")))
        << bad;
  EXPECT_THAT(refusal([&] { lora_choice("=1", "--lora"); }, ErrorKind::kUsage), HasSubstr("expected a path"));
  EXPECT_THAT(refusal([&] { lora_choice(std::string_view("a\0b", 3), "--lora"); }, ErrorKind::kUsage),
              HasSubstr("no byte of zero"));
  Request many;
  many.lora.assign(101, "a");
  EXPECT_THAT(refusal([&] { check_request(many); }, ErrorKind::kUsage), HasSubstr("101 LoRAs are named; 100 at most"));
  Request request;
  request.lora_low = {"x=y"};
  EXPECT_THAT(refusal([&] { check_request(request); }, ErrorKind::kUsage), HasSubstr("--lora-low x=y"));
}

/// A LoRA for both miniatures, whose DiTs have other sizes: made for one of them.
test::FileTensors style_of(const std::string& miniature) {
  test::FileTensors tensors;
  for (const ExpectedWeight& weight : test::weights_of(test::official(miniature, ModelPart::kDit))) {
    const bool is_query = weight.name.ends_with("self_attn.q.weight") || weight.name.ends_with("ffn.0.weight");
    if (!is_query) continue;
    const std::string module = weight.name.substr(0, weight.name.rfind('.'));
    test::add_pair(tensors, module + ".lora_A.weight", module + ".lora_B.weight", weight.shape[0], weight.shape[1], 4);
  }
  return tensors;
}

Request request_of(const std::string& miniature) {
  Request request;
  request.checkpoint = fs::path(WAN_FIXTURES) / miniature;
  request.prompt = "a red circle moves left, slowly";
  request.device = "cpu";
  request.width = 64;
  request.height = 64;
  request.num_frames = 5;
  request.steps = 4;
  request.shift = 12;
  request.guidance_scale = 3;
  return request;
}

std::string video_of(const Request& request) { return generate(request).video_sha256; }

class LoraVideos : public testing::Test {
 protected:
  std::string with(const std::vector<std::string>& all, const std::vector<std::string>& high,
                   const std::vector<std::string>& low, Offload offload = Offload::kAuto) {
    Request request = request_of(test::kPair);
    request.lora = all;
    request.lora_high = high;
    request.lora_low = low;
    request.offload = offload;
    return video_of(request);
  }

  test::Written written_{style_of(test::kPair)};
  std::string file_ = written_.path().string();
};

TEST_F(LoraVideos, ChangeWithTheExpertAndTheStrength) {
  const std::string none = with({}, {}, {}), both = with({file_}, {}, {});
  const std::string high = with({}, {file_}, {}), low = with({}, {}, {file_});
  EXPECT_EQ((std::set{none, both, high, low}.size()), 4u);
  EXPECT_EQ(with({}, {file_}, {file_ + "=1"}), both) << "for both is for each";
  EXPECT_EQ(with({file_ + "=0"}, {}, {}), none);
  EXPECT_EQ(with({file_ + "=0.5", file_ + "=0.5"}, {}, {}), both) << "these halves are exact";
  EXPECT_NE(with({file_ + "=0.5"}, {}, {}), both);
}

TEST_F(LoraVideos, AreTheSameWhereverTheWeightsLive) {
  const std::string resident = with({file_ + "=0.7"}, {}, {}, Offload::kNone);
  EXPECT_EQ(with({file_ + "=0.7"}, {}, {}, Offload::kStream), resident);
  EXPECT_EQ(with({file_ + "=0.7"}, {}, {}, Offload::kMapped), resident);
}

TEST_F(LoraVideos, AWarmEngineLoadsAnewForAnotherStrength) {
  Engine engine;
  Request request = request_of(test::kPair);
  const std::string none = engine.generate(request).video_sha256;
  request.lora = {file_};
  const std::string one = engine.generate(request).video_sha256;
  EXPECT_NE(one, none);
  request.lora = {file_ + "=0.5"};
  EXPECT_NE(engine.generate(request).video_sha256, one);
  request.lora = {};
  EXPECT_EQ(engine.generate(request).video_sha256, none);
}

TEST_F(LoraVideos, AreCounted) {
  Request request = request_of(test::kPair);
  request.lora = {file_};
  const std::vector<LoraUse> uses = decide(request).loras;
  ASSERT_EQ(uses.size(), 1u);
  EXPECT_EQ(uses[0].file, fs::path(file_).filename().string());
  ASSERT_EQ(uses[0].weights.size(), 2u);
  EXPECT_EQ(uses[0].weights[1].first, "low_noise");
  for (const auto& [expert, weights] : uses[0].weights) EXPECT_EQ(uses[0].applied, 2 * weights) << expert;
  EXPECT_EQ(uses[0].ignored, 0);
  EXPECT_THAT(text_of(uses[0]),
              AllOf(HasSubstr(" x 1: "), HasSubstr("weights of low_noise"), HasSubstr("0 ignored, 0 unmatched")));
}

TEST(LoraRefusals, SayWhichFlagIsMeant) {
  const test::TemporaryFolder folder;
  const test::Written written(style_of(test::kPair)), single(style_of(test::kSingle));
  const fs::path named = folder / "style_high_noise.safetensors";
  fs::copy_file(written.path(), named);
  const auto said = [&](const std::string& miniature, const std::string& all, const std::string& high,
                        const std::string& low, ErrorKind kind = ErrorKind::kUsage) {
    Request request = request_of(miniature);
    if (!all.empty()) request.lora = {all};
    if (!high.empty()) request.lora_high = {high};
    if (!low.empty()) request.lora_low = {low};
    return refusal([&] { decide(request); }, kind);
  };
  EXPECT_THAT(said(test::kPair, named, "", ""), AllOf(HasSubstr("--lora-high"), HasSubstr("high-noise expert")));
  EXPECT_THAT(said(test::kPair, "", "", named), AllOf(HasSubstr("--lora-low"), HasSubstr("give it with --lora-high")));
  EXPECT_EQ(said(test::kPair, "", named, ""), "accepted");
  // Of a style the word is another: a flag decides, unless the name speaks of noise.
  const fs::path style = folder / "my-Low-poly.safetensors";
  fs::copy_file(written.path(), style);
  EXPECT_THAT(said(test::kPair, style, "", ""), HasSubstr("if the word means something else, with --lora-high and"));
  EXPECT_EQ(said(test::kPair, "", style, style), "accepted");
  EXPECT_THAT(said(test::kSingle, "", single.path(), ""), AllOf(HasSubstr("--lora-high"), HasSubstr("with --lora")));
  EXPECT_EQ(said(test::kSingle, single.path(), "", ""), "accepted");
  EXPECT_THAT(said(test::kPair, folder / "none.safetensors", "", "", ErrorKind::kInput), HasSubstr("none.safetensors"));
  EXPECT_THAT(said(test::kSingle, written.path(), "", "", ErrorKind::kInput),
              HasSubstr("it was made for a model of another size"));
}

TEST(LoraIdentities, HaveStrengthAndOrder) {
  const test::Written a(style_of(test::kPair)), b(style_of(test::kSingle));
  Request request = request_of(test::kPair);
  const size_t without = identify_weights(request.weights()).size();
  request.lora = {b.path().string() + "=0.5", a.path().string()};
  request.lora_low = {a.path().string() + "=-1"};
  const std::vector<WeightIdentity> all = identify_weights(request.weights());
  ASSERT_EQ(all.size(), without + 3);
  EXPECT_EQ(all[without].component, "lora");
  EXPECT_EQ(all[without].strength, 0.5);
  EXPECT_EQ(all[without + 1].strength, 1);
  EXPECT_EQ(all[without + 2].component, "lora.low_noise");
  EXPECT_EQ(all[without + 2].digest, all[without + 1].digest);
  EXPECT_FALSE(all[0].strength.has_value()) << "a model's file has none";
}

}  // namespace
}  // namespace wan
