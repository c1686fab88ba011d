// The weight layouts name every tensor of the published models, no more and no less, with its shape.
#include <gtest/gtest.h>

#include <fstream>
#include <map>

#include <nlohmann/json.hpp>

#include "model/cost.h"
#include "model/dit.h"
#include "model/text_encoder.h"
#include "model/vae.h"
#include "model/variant.h"

namespace wan {
namespace {

using Manifest = std::map<std::string, std::vector<int64_t>>;

Manifest published(const std::string& name) {
  std::ifstream file(std::string(WAN_FIXTURES) + "/units/manifests.json");
  return nlohmann::json::parse(file).at(name).get<Manifest>();
}

void add(Manifest& manifest, const WeightPart& part) {
  const auto extents = part.shape.extents();
  EXPECT_TRUE(manifest.emplace(part.source, std::vector<int64_t>(extents.begin(), extents.end())).second)
      << part.source << " twice";
}

void add(Manifest& manifest, const WeightLayout& layout) {
  for (const WeightSlot& slot : layout.slots())
    for (const WeightPart& part : slot.parts) add(manifest, part);
}

TEST(WeightLayout, NamesEveryTensorOfThePublishedDits) {
  for (const Variant& variant : variants()) {
    if (variant.makes_clips()) continue;  // speech_units_test.cpp and animate_units_test.cpp have those
    const DitConfig& config = variant.dit;
    Manifest ours;
    add(ours, dit_stem_layout(config, DType::kBF16));
    for (int64_t i = 0; i < config.num_layers; ++i)
      add(ours, dit_block_layout(config, static_cast<int>(i), DType::kBF16));
    EXPECT_EQ(ours, published("dit." + std::string(variant.name)));
  }
}

TEST(WeightLayout, NamesEveryTensorOfTheTextEncoderAndTheVaes) {
  const TextEncoderConfig config = published_text_encoder_config();
  Manifest text;
  add(text, text_embedding_part(config));
  add(text, text_encoder_norm_layout(config));
  for (int64_t i = 0; i < config.num_layers; ++i)
    add(text, text_encoder_layer_layout(config, static_cast<int>(i), DType::kBF16));
  EXPECT_EQ(text, published("umt5-xxl-encoder"));
  for (const auto& [version, name] : {std::pair{VaeVersion::k21, "vae2.1"}, std::pair{VaeVersion::k22, "vae2.2"}}) {
    Manifest vae;
    for (const WeightPart& part : vae_parts(version, nullptr)) add(vae, part);
    EXPECT_EQ(vae, published(name));
  }
}

TEST(WeightLayout, StacksQueryKeyAndValueIntoOneMatrix) {
  const DitConfig config = variant_named("ti2v-5B").dit;
  const WeightLayout layout = dit_block_layout(config, 3, DType::kBF16);
  EXPECT_EQ(layout.bytes() / 1000000, 327u);  // 163,656,704 parameters, nearly all in two bytes
  for (const WeightSlot& slot : layout.slots())
    if (slot.name == "self_attn.qkv.weight") {
      EXPECT_EQ(slot.shape, Shape({9216, 3072}));
      ASSERT_EQ(slot.parts.size(), 3u);
      EXPECT_EQ(slot.parts[1].source, "blocks.3.self_attn.k.weight");
      EXPECT_EQ(slot.parts[2].element_offset, 2 * 3072 * 3072);
    }
}

TEST(RelativePositionBucket, MatchesTheOfficialTable) {
  const std::map<int64_t, int32_t> expected{{0, 0},   {1, 1},   {7, 7},   {8, 8},   {11, 8},  {12, 9},  {15, 9},
                                            {16, 10}, {22, 10}, {23, 11}, {31, 11}, {32, 12}, {45, 12}, {46, 13},
                                            {63, 13}, {64, 14}, {90, 14}, {91, 15}, {500, 15}};
  for (const auto& [distance, bucket] : expected) {
    EXPECT_EQ(relative_position_bucket(-distance, 32), bucket) << distance;
    if (distance > 0) {
      EXPECT_EQ(relative_position_bucket(distance, 32), bucket + 16) << distance;
    }
  }
}

TEST(Cost, AgreesWithThePublishedOperationCounts) {
  // TFLOP of one forward pass at 27,280, 36,080 (TI2V), 75,600 and 32,760 (A14B) tokens, to the precision they are
  // quoted with.
  const DitConfig ti2v = variant_named("ti2v-5B").dit, t2v = variant_named("t2v-A14B").dit;
  EXPECT_NEAR(dit_cost(ti2v, 27280).total() * 1e-12, 517, 1);
  EXPECT_NEAR(dit_cost(ti2v, 36080).self_attention * 1e-12, 480, 1);
  EXPECT_NEAR(dit_cost(ti2v, 36080).gemm * 1e-12, 314, 1);
  EXPECT_NEAR(dit_cost(t2v, 75600).total() * 1e-12, 6523, 5);
  EXPECT_NEAR(dit_cost(t2v, 32760).total() * 1e-12, 1678, 2);
  // S2V at 1024x704 and 832x448: a first clip, whose tokens have a reference behind them, and a later one.
  const DitConfig s2v = variant_named("s2v-14B").dit;
  EXPECT_NEAR(dit_cost(s2v, 56320, 2816).total() * 1e-12, 4375, 3);
  EXPECT_NEAR(dit_cost(s2v, 56320, 7040).total() * 1e-12, 4901, 3);
  EXPECT_NEAR(dit_cost(s2v, 29120, 3640).total() * 1e-12, 1713, 2);
  // VAE 2.2 decode of 121 and 161 frames at 1280x704, VAE 2.1 of 81 frames at 1280x720 and 832x480.
  const VaeConfig v22{VaeVersion::k22, 48}, v21{VaeVersion::k21, 16};
  EXPECT_NEAR(vae_decode_cost(v22, nullptr, 31, 44, 80) * 1e-12, 2011, 20);
  EXPECT_NEAR(vae_decode_cost(v22, nullptr, 41, 44, 80) * 1e-12, 2670, 30);
  EXPECT_NEAR(vae_decode_cost(v21, nullptr, 21, 90, 160) * 1e-12, 639, 8);
  EXPECT_NEAR(vae_decode_cost(v21, nullptr, 21, 60, 104) * 1e-12, 275, 4);
  EXPECT_NEAR(vae_encode_cost(v21, nullptr, 81, 720, 1280) * 1e-12, 382, 8);
}

}  // namespace
}  // namespace wan
