// Every spelling of a LoRA's tensors comes to the weight it is for; what is not read is refused by its name.
#include "model/lora.h"

#include <cmath>
#include <fstream>
#include <set>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/hash.h"
#include "builders.h"
#include "lora_files.h"
#include "model/variant.h"

namespace wan {
namespace {

namespace fs = std::filesystem;
using test::add_pair;
using test::FileTensors;
using test::kFormats;
using test::single_weights;
using test::WrittenLora;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

/// Of the miniature: 256 wide, 512 in the feed-forward network, 2 blocks.
constexpr int64_t kWidth = 256;

std::string refusal_of(const FileTensors& tensors, LoraUnmatched unmatched = LoraUnmatched::kCounted,
                       const std::map<std::string, std::string>& metadata = {}) {
  const WrittenLora file(tensors, metadata);
  const std::string message = test::refusal([&] { file.open(unmatched); });
  EXPECT_THAT(message, HasSubstr(file.path().string()));
  return message;
}

FileTensors one_pair(const std::string& module = "blocks.0.self_attn.q", int64_t rank = 4) {
  FileTensors tensors;
  add_pair(tensors, module + ".lora_A.weight", module + ".lora_B.weight", kWidth, kWidth, rank);
  return tensors;
}

const LoraChange& only_change(const Lora& lora) {
  EXPECT_EQ(lora.changes().size(), 1u);
  return lora.changes().front();
}

// --- the fixtures

struct FixtureCase {
  const char* file;
  int64_t applied, ignored;
  std::map<int64_t, int64_t> ranks;
  std::map<std::string, int64_t> scales;
  double scale;
};
void PrintTo(const FixtureCase& each, std::ostream* out) { *out << each.file; }

class LoraFixture : public ::testing::TestWithParam<FixtureCase> {};

TEST_P(LoraFixture, IsReadWhole) {
  const FixtureCase& each = GetParam();
  const Lora lora = Lora::open(kFormats / each.file, single_weights(), LoraUnmatched::kRefused);
  EXPECT_EQ(lora.facts().applied, each.applied);
  EXPECT_EQ(lora.facts().ignored, each.ignored);
  EXPECT_EQ(lora.facts().unmatched, 0);
  EXPECT_EQ(lora.facts().ranks, each.ranks);
  EXPECT_EQ(lora.facts().scales, each.scales);
  EXPECT_EQ(lora.facts().digest.size(), 64u);
  for (const LoraChange& change : lora.changes()) {
    if (change.is_product()) {
      EXPECT_EQ(change.scale, each.scale) << change.weight;
    }
    EXPECT_EQ(change.expert, LoraExpert::kAll);
  }
}

const std::string kNothing = "1, since nothing says another";

INSTANTIATE_TEST_SUITE_P(
    Formats, LoraFixture,
    ::testing::Values(
        FixtureCase{"ti2v-lora/peft_diffusion_model.safetensors", 40, 0, {{4, 20}}, {{kNothing, 20}}, 1},
        FixtureCase{"ti2v-lora/kohya_lora_unet_alpha.safetensors", 60, 0, {{4, 20}}, {{"alpha", 20}}, 0.5},
        FixtureCase{"ti2v-lora/lightx2v_diff_b_m.safetensors", 80, 17, {{4, 20}}, {{kNothing, 20}}, 1},
        FixtureCase{"ti2v-lora/diffusers_transformer.safetensors", 42, 0, {{2, 2}, {4, 18}}, {{kNothing, 20}}, 1},
        FixtureCase{"ti2v-lora/peft_dir/adapter_model.safetensors", 40, 0, {{4, 20}}, {{"adapter_config.json", 20}}, 4},
        FixtureCase{"ti2v-lora/peft_dir", 40, 0, {{4, 20}}, {{"adapter_config.json", 20}}, 4},
        FixtureCase{"ti2v-lora/wan_fun_double_underscore.safetensors", 36, 0, {{4, 12}}, {{"alpha", 12}}, 1}));

struct BadCase {
  const char* name;
  std::string mention;
};
void PrintTo(const BadCase& each, std::ostream* out) { *out << each.name; }

class BadLora : public ::testing::TestWithParam<BadCase> {};

TEST_P(BadLora, IsRefusedWithItsWords) {
  const fs::path path = kFormats / "bad" / (std::string(GetParam().name) + ".safetensors");
  const std::string message = test::refusal([&] { Lora::open(path, single_weights()); });
  EXPECT_THAT(message, AllOf(HasSubstr(path.string()), HasSubstr(GetParam().mention)));
}

INSTANTIATE_TEST_SUITE_P(Formats, BadLora,
                         ::testing::Values(BadCase{"lora-other-model", "none of its 40 tensors"},
                                           BadCase{"lora-half-pair", "blocks.0.ffn.0"},
                                           BadCase{"lora-wrong-shape", "blocks.0.ffn.0"},
                                           BadCase{"lora-dora", "dora_scale"}, BadCase{"lora-lokr", "lokr"},
                                           BadCase{"lora-block-out-of-range", "blocks.7"}));

TEST(LoraFixtures, TheWordsAreThoseOfTheFixtures) {
  const auto root = nlohmann::json::parse(std::ifstream(kFormats / "formats.json"));
  int seen = 0;
  for (const auto& bad : root.at("bad")) {
    if (!bad.contains("lora")) continue;
    ++seen;
    const std::string message =
        test::refusal([&] { Lora::open(kFormats / bad.at("lora").get<std::string>(), single_weights()); });
    if (bad.contains("must_mention")) {
      EXPECT_THAT(message, HasSubstr(bad.at("must_mention").get<std::string>()));
    }
  }
  EXPECT_EQ(seen, 6);
}

// --- spellings

TEST(LoraKeys, EveryBeginningIsTakenAway) {
  for (const char* beginning :
       {"", "diffusion_model.", "transformer.", "model.diffusion_model.", "pipe.dit.", "unet.", "base_model.model.",
        "base_model.model.transformer.", "lora_unet_", "lora_unet__", "lycoris_", "lora_transformer_"}) {
    const Lora lora = WrittenLora(one_pair(beginning + std::string("blocks.1.cross_attn.o"))).open();
    EXPECT_EQ(only_change(lora).weight, "blocks.1.cross_attn.o.weight") << beginning;
    EXPECT_EQ(lora.facts().applied, 2) << beginning;
  }
}

TEST(LoraKeys, EveryEndingOfAFactorIsRead) {
  for (const auto& [down, up] : {std::pair{".lora_A.weight", ".lora_B.weight"},
                                 {".lora_down.weight", ".lora_up.weight"},
                                 {"_lora.down.weight", "_lora.up.weight"},
                                 {".lora.down.weight", ".lora.up.weight"},
                                 {".lora_A", ".lora_B"},
                                 {".lora_linear_layer.down.weight", ".lora_linear_layer.up.weight"},
                                 {".lora_A.default.weight", ".lora_B.default.weight"},
                                 {".lora_A.my-name_2.weight", ".lora_B.my-name_2.weight"}}) {
    FileTensors tensors;
    add_pair(tensors, std::string("diffusion_model.blocks.0.ffn.2") + down,
             std::string("diffusion_model.blocks.0.ffn.2") + up, kWidth, 512, 3);
    const Lora lora = WrittenLora(tensors).open();
    const LoraChange& change = only_change(lora);
    EXPECT_EQ(change.weight, "blocks.0.ffn.2.weight") << down;
    EXPECT_EQ(change.rank, 3) << down;
    EXPECT_TRUE(change.down->name.ends_with(down)) << down;
  }
}

TEST(LoraKeys, FlatAndHalfFlatNamesAreLookedUp) {
  for (const auto& [module, weight] : {std::pair{"lora_unet_blocks_0_self_attn_q", "blocks.0.self_attn.q.weight"},
                                       {"lora_unet_blocks_0.self_attn.q", "blocks.0.self_attn.q.weight"},
                                       {"lora_unet__blocks_1_cross_attn_k", "blocks.1.cross_attn.k.weight"},
                                       {"lycoris_blocks_0_attn2_to_out_0", "blocks.0.cross_attn.o.weight"},
                                       {"lora_unet_text_embedding_2", "text_embedding.2.weight"},
                                       {"transformer.blocks.1.attn1.to_v", "blocks.1.self_attn.v.weight"}}) {
    const Lora lora = WrittenLora(one_pair(module)).open();
    EXPECT_EQ(only_change(lora).weight, weight) << module;
  }
}

/// Of random weights there is no file to take names from.
TEST(LoraKeys, AModelsOwnWeightsAreThoseOfItsFile) {
  const auto manifests = nlohmann::json::parse(std::ifstream(std::string(WAN_FIXTURES) + "/units/manifests.json"));
  for (const Variant& variant : variants()) {
    if (variant.makes_clips()) continue;  // speech_units_test.cpp and animate_units_test.cpp have those
    const auto manifest = manifests.find("dit." + std::string(variant.name));
    ASSERT_NE(manifest, manifests.end()) << variant.name;
    std::map<std::string, std::vector<int64_t>> weights;
    for (const ExpectedWeight& weight : dit_weights(variant.dit)) {
      const auto extents = weight.shape.extents();
      weights[weight.name] = {extents.begin(), extents.end()};
    }
    EXPECT_EQ(nlohmann::json(weights), *manifest) << variant.name;
  }
}

/// Names of published models, where a wrong guess would find another layer: each is found by all its spellings.
TEST(LoraKeys, APublishedModelHasEveryFlatNameOnce) {
  const auto manifests = nlohmann::json::parse(std::ifstream(std::string(WAN_FIXTURES) + "/units/manifests.json"));
  std::vector<ExpectedWeight> weights;
  for (const auto& [name, shape] : manifests.at("dit.t2v-A14B").items()) weights.push_back({name, {}});
  const LoraNames names(weights);
  for (const ExpectedWeight& weight : weights) {
    const std::string diffusers = stored_name(ModelPart::kDit, WeightNaming::kDiffusers, weight.name);
    for (std::string name : {weight.name, diffusers}) {
      const LoraKey whole{LoraExpert::kAll, name, LoraRole::kDifference};
      std::replace(name.begin(), name.end(), '.', '_');
      const LoraKey flat{LoraExpert::kAll, name, LoraRole::kDifference};
      ASSERT_NE(names.find(whole), nullptr) << name;
      EXPECT_EQ(names.find(whole)->name, weight.name);
      EXPECT_EQ(names.find(flat)->name, weight.name);
    }
  }
}

TEST(LoraKeys, DifferencesOfEveryKindAreRead) {
  FileTensors tensors;
  for (const auto& [name, shape] : {std::pair<std::string, Shape>{"blocks.0.norm3.diff", {kWidth}},
                                    {"blocks.0.norm3.diff_b", {kWidth}},
                                    {"blocks.0.diff_m", {6, kWidth}},
                                    {"blocks.1.modulation.diff", {1, 6, kWidth}},
                                    {"head.diff_m", {1, 2, kWidth}},
                                    {"patch_embedding.diff", {kWidth, 48, 1, 2, 2}},
                                    {"head.head.diff", {192, kWidth}},
                                    {"transformer.blocks.1.norm2.diff_b", {kWidth}}})
    tensors.push_back(test::small_tensor(name, shape, 1));
  const Lora lora = WrittenLora(tensors).open();
  std::vector<std::string> changed;
  for (const LoraChange& change : lora.changes()) changed.push_back(change.weight);
  EXPECT_THAT(changed,
              ElementsAre("blocks.0.modulation", "blocks.0.norm3.bias", "blocks.0.norm3.weight", "blocks.1.modulation",
                          "blocks.1.norm3.bias", "head.head.weight", "head.modulation", "patch_embedding.weight"));
  EXPECT_EQ(lora.facts().applied, 8);
  EXPECT_TRUE(lora.facts().ranks.empty());
}

TEST(LoraKeys, ConvolutionsMayBeFlattenedOrNot) {
  for (const bool flattened : {true, false}) {
    FileTensors tensors;
    tensors.push_back(
        test::small_tensor("patch_embedding.lora_down.weight", flattened ? Shape{4, 192} : Shape{4, 48, 1, 2, 2}, 1));
    tensors.push_back(test::small_tensor("patch_embedding.lora_up.weight",
                                         flattened ? Shape{kWidth, 4} : Shape{kWidth, 4, 1, 1, 1}, 2));
    tensors.push_back(
        test::small_tensor("patch_embedding.diff", flattened ? Shape{kWidth, 192} : Shape{kWidth, 48, 1, 2, 2}, 3));
    const Lora lora = WrittenLora(tensors).open();
    ASSERT_EQ(lora.changes().size(), 2u);
    EXPECT_TRUE(lora.changes()[0].is_product());  // before the difference of the same weight
    EXPECT_EQ(lora.changes()[0].rank, 4);
  }
}

TEST(LoraKeys, TheSecondComponentIsTheLowNoiseExpert) {
  FileTensors tensors = one_pair("transformer.blocks.0.attn1.to_q");
  EXPECT_EQ(only_change(WrittenLora(tensors).open()).expert, LoraExpert::kAll);
  for (const test::FileTensor& each : one_pair("transformer_2.blocks.0.attn1.to_k")) tensors.push_back(each);
  for (const test::FileTensor& each : one_pair("diffusion_model.blocks.0.self_attn.v")) tensors.push_back(each);
  const Lora both = WrittenLora(tensors).open();
  ASSERT_EQ(both.changes().size(), 3u);
  EXPECT_EQ(both.changes()[0].expert, LoraExpert::kLow);   // k
  EXPECT_EQ(both.changes()[1].expert, LoraExpert::kHigh);  // q
  EXPECT_EQ(both.changes()[2].expert, LoraExpert::kAll);   // v
  const Lora low = WrittenLora(one_pair("transformer_2.blocks.0.attn1.to_q")).open();
  EXPECT_TRUE(low.is_for(LoraExpert::kLow));
  EXPECT_FALSE(low.is_for(LoraExpert::kHigh));
}

TEST(LoraKeys, Wan21ImageKeysAreIgnoredAndOthersCounted) {
  FileTensors tensors = one_pair();
  for (const char* name :
       {"img_emb.proj.1.lora_A.weight", "diffusion_model.blocks.0.cross_attn.k_img.diff_b",
        "lora_unet_blocks_0_cross_attn_v_img.lora_up.weight", "blocks.0.cross_attn.norm_k_img.diff",
        "transformer.blocks.0.attn2.add_k_proj.lora_A.weight", "transformer.blocks.0.attn2.norm_added_k.diff",
        "transformer.condition_embedder.image_embedder.ff.net.2.lora_B.weight"})
    tensors.push_back(test::small_tensor(name, {4}, 1));
  for (const char* name : {"lora_te_text_model.lora_A.weight", "blocks.0.gate.diff", "img_embed.alpha", "blocks.0.x"})
    tensors.push_back(test::small_tensor(name, {4}, 1));
  const Lora lora = WrittenLora(tensors).open();
  EXPECT_EQ(lora.facts().applied, 2);
  EXPECT_EQ(lora.facts().ignored, 7);
  EXPECT_EQ(lora.facts().unmatched, 4);
  EXPECT_THAT(lora.facts().unmatched_names, ElementsAre("blocks.0.gate.diff", "blocks.0.x", "img_embed.alpha"));
  EXPECT_THAT(refusal_of(tensors, LoraUnmatched::kRefused), HasSubstr("4 of its 13 tensors"));
}

TEST(LoraKeys, AModuleWithoutABiasHasNoDifferenceOfIt) {
  FileTensors tensors = one_pair();
  tensors.push_back(test::small_tensor("blocks.0.self_attn.norm_q.diff_b", {kWidth}, 1));
  EXPECT_THAT(WrittenLora(tensors).open().facts().unmatched_names, ElementsAre("blocks.0.self_attn.norm_q.diff_b"));
}

// --- scales

double scale_of(const FileTensors& tensors, const std::map<std::string, std::string>& metadata = {}) {
  return only_change(WrittenLora(tensors, metadata).open()).scale;
}

TEST(LoraScale, AlphaIsOverTheRankInAnyTypeOfNumber) {
  const auto with = [](const test::FileTensor& alpha) {
    FileTensors tensors = one_pair();
    tensors.push_back(alpha);
    return scale_of(tensors);
  };
  const std::string name = "blocks.0.self_attn.q.alpha";
  EXPECT_EQ(scale_of(one_pair()), 1);  // absent is not 1 / rank
  EXPECT_EQ(with(test::scalar(name, 2)), 0.5);
  EXPECT_EQ(with(test::scalar(name, 2, {1})), 0.5);
  EXPECT_EQ(with(test::scalar(name, 0)), 0);  // and zero is not absent
  EXPECT_EQ(with(test::scalar(name, -8)), -2);
  EXPECT_EQ(with({name, DType::kI64, {}, test::raw<int64_t>({8})}), 2);
  EXPECT_EQ(with({name, DType::kI32, {1}, test::raw<int32_t>({8})}), 2);
  EXPECT_EQ(with({name, DType::kF64, {}, test::raw<double>({1})}), 0.25);
  EXPECT_EQ(with(test::stored(name, {{}, {2}}, DType::kF16)), 0.5);
  EXPECT_EQ(with(test::stored(name, {{}, {2}}, DType::kBF16)), 0.5);
  FileTensors tensors = one_pair();
  tensors.push_back(test::scalar(name, NAN));
  EXPECT_THAT(refusal_of(tensors), HasSubstr("expected one finite number"));
  tensors.back() = test::small_tensor(name, {2}, 1);
  EXPECT_THAT(refusal_of(tensors), HasSubstr("expected one finite number"));
  tensors = {test::scalar(name, 1)};
  EXPECT_THAT(refusal_of(tensors), HasSubstr("without the factors"));
}

TEST(LoraScale, TheHeaderOfDiffusersIsRead) {
  const auto with = [](const nlohmann::json& said, const char* module = "transformer.blocks.0.attn1.to_q") {
    return scale_of(one_pair(module), {{"lora_adapter_metadata", said.dump()}});
  };
  EXPECT_EQ(with({{"r", 4}, {"lora_alpha", 8}}), 2);
  EXPECT_EQ(with({{"transformer.r", 4}, {"transformer.lora_alpha", 2}}), 0.5);
  EXPECT_EQ(with({{"lora_alpha", 8}, {"use_rslora", true}}), 4);  // 8 / sqrt(4)
  EXPECT_EQ(with({{"r", 4}, {"lora_alpha", 8}, {"use_rslora", false}, {"peft_type", "LORA"}, {"use_dora", nullptr}}),
            2);
  EXPECT_EQ(with({{"r", 4}, {"lora_alpha", 8}, {"alpha_pattern", {{"attn1.to_q", 16}}}}), 4);
  EXPECT_EQ(with({{"r", 4}, {"lora_alpha", 8}, {"alpha_pattern", {{"blocks.0.attn1.to_q", 1}}}}), 0.25);
  EXPECT_EQ(with({{"r", 4}, {"lora_alpha", 8}, {"alpha_pattern", {{"1.to_q", 16}}}}), 2);  // no whole name
  EXPECT_EQ(with({{"r", 8}, {"lora_alpha", 8}, {"rank_pattern", {{"to_q", 4}}}}), 2);
  EXPECT_EQ(with({{"transformer_2.r", 9}, {"transformer_2.lora_alpha", 9}}), 1);  // the other expert's
  EXPECT_EQ(with({{"transformer_2.r", 4}, {"transformer_2.lora_alpha", 2}}, "transformer_2.blocks.0.attn1.to_q"), 0.5);
  EXPECT_EQ(with({{"some", "thing"}}), 1);
  FileTensors own = one_pair();
  own.push_back(test::scalar("blocks.0.self_attn.q.alpha", 12));  // goes before what the header says
  EXPECT_EQ(scale_of(own, {{"lora_adapter_metadata", R"({"r":4,"lora_alpha":8})"}}), 3);
  EXPECT_EQ(scale_of(one_pair(), {{"ss_network_alpha", "2"}}), 1);  // for people alone
}

TEST(LoraScale, WhatPeftSaysAndIsNotReadIsRefused) {
  const auto refused = [](const std::string& said) {
    return refusal_of(one_pair(), LoraUnmatched::kCounted, {{"lora_adapter_metadata", said}});
  };
  EXPECT_THAT(refused(R"({"r":8,"lora_alpha":8})"), HasSubstr("says rank 8 of blocks.0.self_attn.q"));
  EXPECT_THAT(refused(R"({"peft_type":"LOHA","r":4,"lora_alpha":8})"), HasSubstr("'peft_type' is LOHA"));
  EXPECT_THAT(refused(R"({"use_dora":true,"r":4,"lora_alpha":8})"), HasSubstr("DoRA"));
  EXPECT_THAT(refused(R"({"r":4})"), HasSubstr("'lora_alpha' is missing"));
  EXPECT_THAT(refused(R"({"r":4,"lora_alpha":"8"})"), HasSubstr("'lora_alpha' must be a number"));
  EXPECT_THAT(refused(R"({"r":4,"lora_alpha":8,"use_rslora":1})"), HasSubstr("'use_rslora' must be true or false"));
  EXPECT_THAT(refused(R"({"r":4,"lora_alpha":8,"alpha_pattern":{".*q":1}})"), HasSubstr("the expression '.*q'"));
  EXPECT_THAT(refused(R"({"r":4,"lora_alpha":8,"alpha_pattern":{"q":1,"self_attn.q":2}})"), HasSubstr("two numbers"));
  EXPECT_THAT(refused(R"({"r":4,"lora_alpha":8,"alpha_pattern":[]})"), HasSubstr("must be an object"));
  EXPECT_THAT(refused("[]"), HasSubstr("expected a JSON object"));
  EXPECT_THAT(refused("{"), HasSubstr("lora_adapter_metadata"));
}

TEST(LoraScale, APeftFolderIsReadAndItsConfigIsPartOfItsIdentity) {
  const test::TemporaryFolder folder;
  test::write_safetensors(folder / "adapter_model.safetensors", one_pair());
  const Lora plain = Lora::open(folder / "", single_weights());
  EXPECT_EQ(only_change(plain).scale, 1);
  EXPECT_EQ(plain.facts().adapter_digest, "");
  test::write_file(folder / "adapter_config.json", R"({"r":4,"lora_alpha":16,"use_rslora":true})");
  const Lora scaled = Lora::open(folder / "", single_weights());
  EXPECT_EQ(only_change(scaled).scale, 8);
  EXPECT_EQ(scaled.facts().digest, plain.facts().digest);
  EXPECT_EQ(scaled.facts().adapter_digest.size(), 64u);
  EXPECT_EQ(scaled.facts().file, folder / "adapter_model.safetensors");
  fs::remove(folder / "adapter_model.safetensors");
  EXPECT_THAT(test::refusal([&] { Lora::open(folder / "", single_weights()); }),
              HasSubstr("without adapter_model.safetensors or adapter_model.bin"));
}

TEST(LoraScale, AConfigThatIsNoFileIsNotTakenForNone) {
  const test::TemporaryFolder folder;
  test::write_safetensors(folder / "style.safetensors", one_pair());
  const fs::path config = folder / "adapter_config.json";
  fs::create_directory(config);
  const auto said = [&] { return test::refusal([&] { Lora::open(folder / "style.safetensors", single_weights()); }); };
  EXPECT_THAT(said(), HasSubstr("adapter_config.json is no file"));
  fs::remove(config);
  fs::create_symlink("nowhere", config);
  EXPECT_THAT(said(), HasSubstr("adapter_config.json is no file"));
}

TEST(LoraFacts, TheDigestIsThatOfFilesOfWeights) {
  const WrittenLora file(one_pair());
  const std::string bytes = test::read_file(file.path());
  ASSERT_LE(bytes.size(), 65536u);  // then both ends are the whole file
  EXPECT_EQ(file.open().facts().digest, sha256_hex(std::to_string(bytes.size()) + "\n" + bytes + bytes));
}

// --- what is not read

TEST(LoraRefusals, OtherFormsAreNamed) {
  for (const auto& [name, form] : {std::pair{"blocks.0.self_attn.q.dora_scale", "DoRA"},
                                   {"blocks.0.self_attn.q.lora_magnitude_vector.weight", "DoRA"},
                                   {"blocks.0.self_attn.q.hada_w1_a", "LoHa"},
                                   {"lora_unet_blocks_0_self_attn_q.lokr_w2_b", "LoKr"},
                                   {"blocks.0.self_attn.q.lora_mid.weight", "Tucker"},
                                   {"blocks.0.self_attn.q.lora_E", "AdaLoRA"},
                                   {"blocks.0.self_attn.q.oft_blocks", "OFT"},
                                   {"blocks.0.self_attn.q.set_weight", "set_weight"},
                                   {"blocks.0.self_attn.q.reshape_weight", "reshape_weight"},
                                   {"blocks.0.norm3.w_norm", "w_norm"},
                                   {"blocks.0.norm3.b_norm", "b_norm"},
                                   {"blocks.0.self_attn.q.lora_A.scale_weight", "8 bits"}}) {
    FileTensors tensors = one_pair();
    tensors.push_back(test::small_tensor(name, {4}, 1));
    EXPECT_THAT(refusal_of(tensors), AllOf(HasSubstr(name), HasSubstr(form), HasSubstr("take a plain LoRA")));
  }
}

TEST(LoraRefusals, ShapesAreHeldAgainstTheModel) {
  const auto pair = [](const Shape& down, const Shape& up, const std::string& module = "blocks.0.ffn.0") {
    return refusal_of(
        {test::small_tensor(module + ".lora_A.weight", down, 1), test::small_tensor(module + ".lora_B.weight", up, 2)});
  };
  EXPECT_THAT(pair({4, 128}, {512, 4}), HasSubstr("[4, 128], expected [rank, 256]"));
  EXPECT_THAT(pair({256, 4}, {512, 4}), HasSubstr("expected [rank, 256]"));  // transposed
  EXPECT_THAT(pair({4, 256}, {512, 8}), HasSubstr("expected [512, 4]"));     // ranks differ
  EXPECT_THAT(pair({4, 256}, {4, 512}), HasSubstr("expected [512, 4]"));
  EXPECT_THAT(pair({1024}, {512, 4}), HasSubstr("expected [rank, 256]"));
  EXPECT_THAT(pair({4, 1}, {256, 4}, "blocks.0.norm3"), HasSubstr("which has one axis"));
  const auto difference = [](const std::string& name, const Shape& shape) {
    return refusal_of({test::small_tensor(name, shape, 1)});
  };
  EXPECT_THAT(difference("blocks.0.norm3.diff", {255}), HasSubstr("[255], expected [256]"));
  EXPECT_THAT(difference("blocks.0.diff_m", {256, 6}), HasSubstr("expected [1, 6, 256]"));
  EXPECT_THAT(difference("head.head.diff", {256, 192}), HasSubstr("expected [192, 256]"));
}

TEST(LoraRefusals, HalfPairsAndSecondAdaptersAreNamed) {
  const FileTensors whole = one_pair();
  EXPECT_THAT(refusal_of({whole[0]}), HasSubstr("without lora_B"));
  EXPECT_THAT(refusal_of({whole[1]}), HasSubstr("without lora_A"));
  EXPECT_THAT(refusal_of({test::small_tensor("blocks.0.self_attn.q.lora_B.bias", {kWidth}, 1)}),
              HasSubstr("without the factors"));
  FileTensors twice = whole;
  add_pair(twice, "blocks.0.self_attn.q.lora_A.other.weight", "blocks.0.self_attn.q.lora_B.other.weight", kWidth,
           kWidth, 4);
  EXPECT_THAT(refusal_of(twice), HasSubstr("save one adapter in a file"));
  twice = whole;  // the same layer behind another beginning
  add_pair(twice, "transformer.blocks.0.attn1.to_q.lora_A.weight", "transformer.blocks.0.attn1.to_q.lora_B.weight",
           kWidth, kWidth, 4);
  EXPECT_THAT(refusal_of(twice), HasSubstr("save one adapter in a file"));
  EXPECT_THAT(refusal_of({test::small_tensor("blocks.0.diff_m", {6, kWidth}, 1),
                          test::small_tensor("blocks.0.modulation.diff", {6, kWidth}, 1)}),
              HasSubstr("both change blocks.0.modulation"));
}

TEST(LoraRefusals, BlocksThatTheModelLacksAreRefusedInEverySpelling) {
  for (const char* module :
       {"diffusion_model.blocks.2.self_attn.q", "lora_unet_blocks_39_ffn_0", "blocks.1000.anything"}) {
    FileTensors tensors = one_pair();
    tensors.push_back(test::small_tensor(module + std::string(".lora_A.weight"), {4, kWidth}, 1));
    EXPECT_THAT(refusal_of(tensors), AllOf(HasSubstr(module), HasSubstr("made for a larger model")));
  }
}

TEST(LoraRefusals, ValuesThatAreNoNumbersWithoutAScaleAreRefused) {
  FileTensors tensors = one_pair();
  tensors[0] = {tensors[0].name, DType::kI8, {4, kWidth}, std::string(4 * kWidth, 'x')};
  EXPECT_THAT(refusal_of(tensors), HasSubstr("is stored as I8"));
  tensors[0] = test::small_tensor(tensors[0].name, {4, kWidth}, 1, DType::kF8E4M3);
  EXPECT_EQ(WrittenLora(tensors).open().facts().applied, 2);
}

TEST(LoraRefusals, NamesAreMadeFitForATerminal) {
  FileTensors tensors = one_pair();
  tensors.push_back(test::small_tensor("evil\x1b[2J\nname.lora_A.weight", {4}, 1));
  const std::string message = refusal_of(tensors, LoraUnmatched::kRefused);
  EXPECT_EQ(message.find('\x1b'), std::string::npos);
  EXPECT_EQ(message.find('\n'), std::string::npos);
}

TEST(LoraRefusals, FilesThatAreNoLoraAreRefused) {
  EXPECT_THAT(refusal_of(test::stored_all(test::official(test::kSingle, ModelPart::kDit), DType::kBF16)),
              HasSubstr("it is no LoRA, or one of another model"));
  const fs::path gguf = kFormats / "blocks/Q4_0.gguf";
  EXPECT_THAT(test::refusal([&] { Lora::open(gguf, single_weights()); }),
              AllOf(HasSubstr(gguf.string()), HasSubstr("from one .safetensors or .pth file")));
}

/// torch.save's zip, as peft wrote adapter_model.bin; one factor is a transposed view, as training code leaves them.
TEST(LoraFiles, PthIsReadWithItsStrides) {
  namespace p = test::pickle;
  const std::vector<float> values = test::small_values(2 * kWidth, 1);
  const std::string program =
      p::program(p::dict({p::text("blocks.0.self_attn.q.lora_A.weight"),
                          p::tensor(p::storage("FloatStorage", "0", 2 * kWidth), 0, {2, kWidth}, {1, 2}),
                          p::text("blocks.0.self_attn.q.lora_B.weight"),
                          p::tensor(p::storage("FloatStorage", "1", 2 * kWidth), 0, {kWidth, 2}, {2, 1})}));
  const test::TemporaryFolder folder;
  test::write_file(folder / "adapter_model.bin", test::pth(program, {test::raw(values), test::raw(values)}));
  const Lora lora = Lora::open(folder / "", single_weights());
  const LoraChange& change = only_change(lora);
  std::vector<float> down(4);
  lora.read(*change.down, kWidth - 2, kWidth + 2, down.data());  // the end of row 0 and the beginning of row 1
  EXPECT_EQ(down, (std::vector<float>{values[2 * kWidth - 4], values[2 * kWidth - 2], values[1], values[3]}));
}

}  // namespace
}  // namespace wan
