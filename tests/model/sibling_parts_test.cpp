// What lies around a DiT's file that is named alone.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <string>
#include <vector>

#include "base/error.h"
#include "layouts.h"
#include "model/checkpoint.h"
#include "model/sibling_parts.h"
#include "weight_files.h"

namespace wan {
namespace {

namespace fs = std::filesystem;
using test::kPair;
using test::kSingle;
using testing::ElementsAre;
using testing::HasSubstr;

class Siblings : public testing::Test {
 protected:
  fs::path file(const std::string& name) const { return folder_ / "models" / name; }
  fs::path high() const { return file("diffusion_models/wan2.2_t2v_high_noise_14B_bf16.safetensors"); }
  fs::path low() const { return file("diffusion_models/wan2.2_t2v_low_noise_14B_bf16.safetensors"); }

  const test::TemporaryFolder folder_;
};

std::vector<std::string> flags_of(const SiblingParts& parts) {
  std::vector<std::string> flags;
  for (const MissingPart& part : parts.missing) flags.push_back(part.flag);
  return flags;
}

TEST_F(Siblings, CompleteAModelThatThenOpens) {
  test::write_comfy(kPair, folder_ / "models");
  for (const fs::path& named : {high(), low()}) {
    const SiblingParts parts = find_siblings(WeightChoice::at(named));
    EXPECT_TRUE(parts.missing.empty()) << parts.missing.front().why;
    EXPECT_EQ(parts.choice.dit_high, high());
    EXPECT_EQ(parts.choice.dit_low, low());
    EXPECT_TRUE(parts.choice.checkpoint.empty());
    EXPECT_EQ(open_checkpoint(parts.choice).files.dits, (std::vector<fs::path>{high(), low()}));
  }
}

TEST_F(Siblings, AreThoseThatFitTheDit) {
  test::write_comfy(kPair, folder_ / "models");
  test::write_comfy(kSingle, folder_ / "other");
  fs::copy_file(folder_ / "other/vae/wan_vae.safetensors", file("vae/another.safetensors"));
  const SiblingParts parts = find_siblings(WeightChoice::at(high()));
  EXPECT_EQ(parts.choice.vae, file("vae/wan_vae.safetensors")) << "the other has more channels";
  fs::copy_file(file("vae/wan_vae.safetensors"), file("vae/third.safetensors"));
  const SiblingParts two = find_siblings(WeightChoice::at(high()));
  EXPECT_THAT(flags_of(two), ElementsAre("--vae"));
  EXPECT_THAT(two.missing.front().why, HasSubstr("third.safetensors"));
  EXPECT_TRUE(two.choice.vae.empty()) << "nothing is guessed";
}

TEST_F(Siblings, OfSeveralOtherExpertsTheOneOfTheSameNameIsTaken) {
  test::write_comfy(kPair, folder_ / "models");
  fs::copy_file(low(), file("diffusion_models/another_low_noise.safetensors"));
  EXPECT_EQ(find_siblings(WeightChoice::at(high())).choice.dit_low, low());
  fs::rename(high(), file("diffusion_models/renamed_high.safetensors"));
  const SiblingParts parts = find_siblings(WeightChoice::at(file("diffusion_models/renamed_high.safetensors")));
  EXPECT_THAT(flags_of(parts), ElementsAre("--dit-low"));
}

TEST_F(Siblings, OfTheOfficialLayoutLieAroundTheExpertsFolders) {
  const fs::path official = fs::path(WAN_FIXTURES) / kPair;
  const SiblingParts parts =
      find_siblings(WeightChoice::at(official / "high_noise_model/diffusion_pytorch_model.safetensors"));
  EXPECT_TRUE(parts.missing.empty()) << parts.missing.front().why;
  EXPECT_EQ(parts.choice.dit_low, official / "low_noise_model/diffusion_pytorch_model.safetensors");
}

TEST_F(Siblings, WhatIsNamedStays) {
  test::write_comfy(kPair, folder_ / "models");
  WeightChoice choice;
  choice.dit_low = low();
  choice.text_encoder = file("text_encoders/umt5_xxl_bf16.safetensors");
  choice.vae = fs::path(WAN_FIXTURES) / kPair / "Wan2.1_VAE.pth";
  const SiblingParts parts = find_siblings(choice);
  EXPECT_EQ(parts.choice.dit_high, high());
  EXPECT_EQ(parts.choice.vae, choice.vae);
  EXPECT_EQ(parts.found.size(), 1u);
  EXPECT_FALSE(names_dit_files_alone(WeightChoice::at(folder_ / "models"))) << "a folder names all of it";
  EXPECT_FALSE(names_dit_files_alone(WeightChoice::at(choice.text_encoder)));
  EXPECT_TRUE(names_dit_files_alone(choice));
}

TEST(CounterpartName, IsTheSameButForTheNoise) {
  EXPECT_EQ(counterpart_name("wan_high_noise_fp8.safetensors"), "wan_low_noise_fp8.safetensors");
  EXPECT_EQ(counterpart_name("Wan-LowNoise.gguf"), "Wan-HighNoise.gguf");
  EXPECT_EQ(counterpart_name("HIGH.gguf"), "LOW.gguf");
  EXPECT_EQ(counterpart_name("wan.gguf"), "");
  EXPECT_EQ(counterpart_name("high_and_low.gguf"), "") << "both";
}

}  // namespace
}  // namespace wan
