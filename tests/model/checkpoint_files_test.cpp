// Whole models in every layout are found, and what could be meant in two ways is asked for.
#include "model/checkpoint_files.h"

#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/file.h"
#include "layouts.h"
#include "model/checkpoint.h"
#include "model/text_cleaning.h"
#include "weight_files.h"

namespace wan {
namespace {

namespace fs = std::filesystem;
using test::kPair;
using test::kSingle;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::string refusal_of(const WeightChoice& choice) {
  try {
    open_checkpoint(choice);
  } catch (const Error& error) {
    EXPECT_TRUE(error.kind() == ErrorKind::kInput || error.kind() == ErrorKind::kUsage);
    return error.what();
  }
  return "opened";
}
std::string refusal_of(const fs::path& path) { return refusal_of(WeightChoice::at(path)); }

TEST(ExpertByName, IsAWordOfTheFileOrItsFolder) {
  const auto is = [](const char* path, std::optional<NoiseRange> range) {
    EXPECT_EQ(expert_by_name(path), range) << path;
  };
  for (const char* high : {"wan2.2_t2v_high_noise_14B_fp8_scaled.safetensors", "Wan2_2-T2V-A14B_HIGH_bf16.safetensors",
                           "Wan2.2-T2V-A14B-HighNoise-Q4_K_M.gguf", "i2v-high-noise-Q3_K_S.gguf", "HighV30.safetensors",
                           "HighNoise/Wan2.2-Q8_0.gguf", "high_noise_model/x.safetensors", "a_highnoise.gguf"})
    is(high, NoiseRange::kHigh);
  for (const char* low : {"wan2.2_i2v_low_noise_14B_Q4_K_M.gguf", "Wan2_2-I2V-A14B-LOW_fp8.safetensors",
                          "T2V-LowNoise.gguf", "LowNoise/flow.gguf", "highway/slow_low_noise.gguf"})
    is(low, NoiseRange::kLow);
  for (const char* neither : {"wan2.2_ti2v_5B_fp16.safetensors", "slow_flow.gguf", "high_and_low.gguf", "highland.gguf",
                              "high/low_high.gguf"})
    is(neither, std::nullopt);
}

class Layouts : public testing::Test {
 protected:
  static void expect_is(const Checkpoint& found, const std::string& miniature) {
    const Checkpoint official = open_checkpoint(fs::path(WAN_FIXTURES) / miniature);
    EXPECT_EQ(found.variant, official.variant);
    EXPECT_EQ(found.dit, official.dit);
    ASSERT_EQ(found.dits.size(), official.dits.size());
    const auto expect_same = [](const WeightFile& file, const test::Model& model) {
      EXPECT_EQ(test::differences(file, model), test::kNone) << file.file().path();
    };
    for (size_t i = 0; i < found.dits.size(); ++i)
      expect_same(found.dits[i], test::official(miniature, ModelPart::kDit, i == 0 ? "high" : "low"));
    expect_same(found.text_encoder, test::official(miniature, ModelPart::kTextEncoder));
    expect_same(found.vae_file, test::official(miniature, ModelPart::kVae));
  }

  const test::TemporaryFolder folder_;
};

TEST_F(Layouts, DiffusersFoldersAreRead) {
  for (const std::string& miniature : {kSingle, kPair}) {
    test::write_diffusers(miniature, folder_ / miniature);
    const Checkpoint found = open_checkpoint(folder_ / miniature);
    expect_is(found, miniature);
    EXPECT_EQ(found.files.layout, "diffusers");
  }
  fs::remove_all(folder_ / kPair / "transformer_2");
  EXPECT_THAT(refusal_of(folder_ / kPair), AllOf(HasSubstr("transformer_2"), HasSubstr("boundary_ratio")));
}

TEST_F(Layouts, AFolderOfComfyUIIsRead) {
  for (const std::string& miniature : {kSingle, kPair}) {
    test::write_comfy(miniature, folder_ / miniature / "models");
    for (const fs::path& place : {folder_ / miniature, folder_ / miniature / "models"}) {
      const Checkpoint found = open_checkpoint(place);
      expect_is(found, miniature);
      EXPECT_EQ(found.files.layout, "ComfyUI");
      EXPECT_TRUE(found.files.tokenizer.empty());
    }
  }
}

TEST_F(Layouts, GgufStandsForADit) {
  test::write_comfy(kPair, folder_ / "models", true);
  const Checkpoint found = open_checkpoint(folder_ / "models");
  expect_is(found, kPair);
  EXPECT_EQ(found.dits[0].file().format(), "GGUF 3");
}

TEST_F(Layouts, TheCacheOfHuggingFaceIsRead) {
  const fs::path repository = folder_ / "models--someone--Wan2.2";
  test::write_diffusers(kSingle, repository / "snapshots/0123abcd");
  fs::create_directories(repository / "refs");
  std::ofstream(repository / "refs/main") << "0123abcd";
  expect_is(open_checkpoint(repository), kSingle);
  std::ofstream(repository / "refs/main") << "../../elsewhere";
  expect_is(open_checkpoint(repository), kSingle);  // the only snapshot
  fs::create_directories(repository / "snapshots/ffff");
  EXPECT_THAT(refusal_of(repository), HasSubstr("2 snapshots"));
}

TEST_F(Layouts, PartsStandAloneAndReplaceOthers) {
  test::write_comfy(kPair, folder_ / "models");
  const fs::path models = folder_ / "models", official = fs::path(WAN_FIXTURES) / kPair;
  WeightChoice choice;
  choice.dit_high = models / "diffusion_models/wan2.2_t2v_high_noise_14B_bf16.safetensors";
  choice.dit_low = models / "diffusion_models/wan2.2_t2v_low_noise_14B_bf16.safetensors";
  EXPECT_THAT(refusal_of(choice), AllOf(HasSubstr("text encoder is not there"), HasSubstr("--text-encoder")));
  choice.text_encoder = models / "text_encoders/umt5_xxl_bf16.safetensors";
  EXPECT_THAT(refusal_of(choice), AllOf(HasSubstr("VAE is not there"), HasSubstr("--vae")));
  choice.vae = models / "vae/wan_vae.safetensors";
  expect_is(open_checkpoint(choice), kPair);
  choice.checkpoint = official;
  const Checkpoint mixed = open_checkpoint(choice);
  expect_is(mixed, kPair);
  EXPECT_EQ(mixed.files.dits[0], choice.dit_high);
  EXPECT_EQ(mixed.files.tokenizer, official / "google/umt5-xxl");
  choice.vae = folder_ / "missing.safetensors";
  EXPECT_THAT(refusal_of(choice), AllOf(HasSubstr("--vae"), HasSubstr("there is no such file")));
}

TEST_F(Layouts, WhatCouldBeMeantInTwoWaysIsAskedFor) {
  test::write_comfy(kPair, folder_ / "models");
  const fs::path dits = folder_ / "models/diffusion_models";
  fs::copy_file(dits / "wan2.2_t2v_high_noise_14B_bf16.safetensors", dits / "other_high_noise.safetensors");
  EXPECT_THAT(
      refusal_of(folder_ / "models"),
      AllOf(HasSubstr("which DiT is meant"), HasSubstr("other_high_noise.safetensors"), HasSubstr("--dit-high")));
  WeightChoice choice = WeightChoice::at(folder_ / "models");
  choice.dit_high = dits / "other_high_noise.safetensors";
  expect_is(open_checkpoint(choice), kPair);
  fs::copy_file(folder_ / "models/vae/wan_vae.safetensors", folder_ / "models/vae/again.safetensors");
  EXPECT_THAT(refusal_of(choice), AllOf(HasSubstr("which VAE is meant"), HasSubstr("--vae")));
  choice.dit = choice.dit_high;
  EXPECT_THAT(refusal_of(choice), HasSubstr("use one or the other"));
}

TEST_F(Layouts, ExpertsThatDoNotBelongTogetherAreRefused) {
  test::write_comfy(kPair, folder_ / "pair");
  test::write_comfy(kSingle, folder_ / "single");
  const fs::path high = folder_ / "pair/diffusion_models/wan2.2_t2v_high_noise_14B_bf16.safetensors";
  const fs::path other = folder_ / "single/diffusion_models/wan2.2_ti2v_5B_bf16.safetensors";
  WeightChoice choice = WeightChoice::at(fs::path(WAN_FIXTURES) / kPair);
  choice.dit_high = high;
  choice.dit_low = other;
  EXPECT_THAT(refusal_of(choice), AllOf(HasSubstr("different models"), HasSubstr("ti2v_5B")));
  choice.dit_low = high;
  EXPECT_THAT(refusal_of(choice), HasSubstr("for both experts"));
  choice = WeightChoice::at(fs::path(WAN_FIXTURES) / kPair);
  choice.dit = high;
  EXPECT_THAT(refusal_of(choice), HasSubstr("one expert"));
  EXPECT_THAT(refusal_of(high), HasSubstr("text encoder is not there"));
  choice.dit.clear();
  choice.vae = folder_ / "single/vae/wan_vae.safetensors";
  EXPECT_THAT(refusal_of(choice), HasSubstr("latent channels"));
}

TEST_F(Layouts, ATextEncoderNeedsATokenizer) {
  test::write_comfy(kSingle, folder_ / "models");
  const fs::path file = folder_ / "models/text_encoders/umt5_xxl_bf16.safetensors";
  test::FileTensors bare;
  for (const auto& [stored_as, name] : test::names(kSingle, "text_encoder.transformers"))
    bare.push_back(test::stored(stored_as, test::official(kSingle, ModelPart::kTextEncoder).at(name), DType::kBF16));
  test::write_safetensors(file, bare);
  EXPECT_THAT(refusal_of(folder_ / "models"), AllOf(HasSubstr("tokenizer"), HasSubstr("--tokenizer")));
  WeightChoice choice = WeightChoice::at(folder_ / "models");
  for (const char* given : {"google/umt5-xxl", "google/umt5-xxl/spiece.model", "google/umt5-xxl/tokenizer.json"}) {
    choice.tokenizer = fs::path(WAN_FIXTURES) / kSingle / given;
    EXPECT_EQ(open_tokenizer(open_checkpoint(choice)).encode("red").back(), 1) << given;
  }
}

/// Ids of the official tokenizer, which came with the miniature.
void expect_official_ids(const Tokenizer& tokenizer) {
  const auto golden = nlohmann::json::parse(read_text(fs::path(WAN_FIXTURES) / kSingle / "golden_tokens.json"));
  for (const auto& entry : golden) {
    std::vector<int32_t> want = entry.at("ids");
    want.resize(entry.at("length").get<size_t>());
    EXPECT_EQ(tokenizer.encode(clean_prompt(entry.at("text").get<std::string>())), want) << entry.at("text");
  }
}

TEST(TokenizerWithin, GivesTheOfficialIds) {
  const test::Written file(
      {test::text("spiece_model", read_text(fs::path(WAN_FIXTURES) / kSingle / "google/umt5-xxl/spiece.model"))});
  const TensorFile tensors = TensorFile::open(file.path());
  expect_official_ids(Tokenizer::from_spiece_within(tensors, tensors.at("spiece_model")));
  const TensorFile gguf = TensorFile::open(test::kFormats / "ti2v-gguf/text_encoders/umt5-xxl-encoder-Q5_1.gguf");
  ASSERT_TRUE(holds_gguf_tokenizer(gguf));
  const Tokenizer of_gguf = Tokenizer::from_gguf(gguf);
  expect_official_ids(of_gguf);
  for (int32_t id : of_gguf.encode("[PAD444] [PAD445]")) EXPECT_LT(id, 443) << "a piece that pads the vocabulary";
}

TEST(TokenizerWithin, HostileTablesAreRefused) {
  const auto refusal = [](test::GgufSpec spec) {
    const test::Written file(spec);
    try {
      Tokenizer::from_gguf(TensorFile::open(file.path()));
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::kInput);
      EXPECT_THAT(error.what(), HasSubstr(file.path().string()));
      return std::string(error.what());
    }
    return std::string("accepted");
  };
  const auto words = [](std::initializer_list<const char*> texts) {
    std::string entries;
    for (const char* each : texts) entries += test::gguf_text(each);
    return test::gguf_array("tokenizer.ggml.tokens", 8, texts.size(), entries);
  };
  const std::string model = test::gguf_string("tokenizer.ggml.model", "t5");
  EXPECT_THAT(refusal({.keys = {words({"a"})}, .tensors = {}}), HasSubstr("tokenizer.ggml.model is 'missing'"));
  EXPECT_THAT(refusal({.keys = {model}, .tensors = {}}), HasSubstr("tokenizer.ggml.tokens"));
  EXPECT_THAT(refusal({.keys = {model, words({"a"}), test::gguf_array("tokenizer.ggml.scores", 6, 0, ""),
                                test::gguf_array("tokenizer.ggml.token_type", 5, 0, "")},
                       .tensors = {}}),
              HasSubstr("should be as many"));
  const std::string scores = test::gguf_array("tokenizer.ggml.scores", 6, 1, std::string(4, '\0'));
  EXPECT_THAT(refusal({.keys = {model, words({"a"}), scores,
                                test::gguf_array("tokenizer.ggml.token_type", 5, 1, std::string("\x09\0\0\0", 4))},
                       .tensors = {}}),
              HasSubstr("expected 1 to 6"));
  EXPECT_THAT(refusal({.keys = {model, words({"\xff"}), scores,
                                test::gguf_array("tokenizer.ggml.token_type", 5, 1, std::string("\x01\0\0\0", 4))},
                       .tensors = {}}),
              HasSubstr("no UTF-8"));
}

}  // namespace
}  // namespace wan
