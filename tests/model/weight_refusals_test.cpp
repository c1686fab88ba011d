// Files of other models and half files are refused, by a message that says what they are.
#include "model/weight_refusals.h"

#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "builders.h"
#include "model/variant.h"
#include "weight_files.h"

namespace wan {
namespace {

using test::FileTensor;
using test::FileTensors;
using test::Written;
using ::testing::AllOf;
using ::testing::HasSubstr;

FileTensors whole() { return test::stored_all(test::official(test::kSingle, ModelPart::kDit), DType::kBF16); }

std::string refusal_with(const std::string& name) {
  FileTensors tensors = whole();
  tensors.push_back(test::scalar(name, 1, {1, 1}));
  return Written(tensors).refusal();
}

/// The fixtures' bad files that are a good one with a tensor more, and what their refusal must mention.
TEST(WeightRefusals, OtherModelsAreNamed) {
  const std::vector<std::pair<std::string, std::string>> cases{
      {"vace_patch_embedding.weight", "VACE"},
      {"vace_blocks.0.after_proj.weight", "VACE"},
      {"img_emb.proj.0.weight", "Wan2.1 image"},
      {"blocks.0.cross_attn.k_img.weight", "Wan2.1 image"},
      {"img_emb.emb_pos", "first and last frame"},
      {"pose_patch_embedding.weight", "Animate"},
      {"face_adapter.fuser_blocks.0.k_norm.weight", "Animate"},
      {"casual_audio_encoder.encoder.final_linear.weight", "S2V"},
      {"audio_proj.audio_proj_glob_1.layer.weight", "HuMo"},
      {"control_adapter.conv.weight", "camera"},
      {"ref_conv.weight", "Fun"},
      {"blocks.0.to_gate_compress.weight", "sparse"},
      {"blocks.0.self_attn.attn_op.local_attn.proj_l.weight", "SLA"},
      {"blocks.0.self_attn.q.weight._data", "quanto"},
      {"blocks.0.self_attn.q.qweight", "AWQ"},
      {"blocks.0.self_attn.q.svdquant_lora_a", "SVDQuant"},
      {"blocks.0.self_attn.q.weight.absmax", "bitsandbytes"},
      {"blocks.0.self_attn.q.weight_quantizer._amax", "ModelOpt"},
      {"blocks.0.self_attn.q.weight_global_scale", "nvfp4"},
      {"blocks.0.self_attn.q.dora_scale", "DoRA"},
      {"blocks.0.self_attn.q.hada_w1_a", "LoHa"},
      {"blocks.0.self_attn.q.lokr_w1", "LoKr"},
      {"blocks.0.self_attn.q.lora_A.weight", "a LoRA"},
  };
  for (const auto& [name, what] : cases) EXPECT_THAT(refusal_with(name), AllOf(HasSubstr(name), HasSubstr(what)));
  EXPECT_EQ(Written(whole()).open().weights().size(), 69u);
}

TEST(WeightRefusals, AdaptersAloneAreNamed) {
  const auto formats = test::kFormats;
  for (const auto& [path, what] :
       {std::pair{"ti2v-lora/peft_diffusion_model.safetensors", "a LoRA"},
        std::pair{"ti2v-lora/kohya_lora_unet_alpha.safetensors", "a LoRA"},
        std::pair{"ti2v-lora/lightx2v_diff_b_m.safetensors", "a LoRA"}, std::pair{"bad/lora-dora.safetensors", "DoRA"},
        std::pair{"bad/lora-lokr.safetensors", "LoKr"}})
    EXPECT_THAT(test::refusal([&] { WeightFile::open(formats / path); }), AllOf(HasSubstr(path), HasSubstr(what)));
}

TEST(WeightRefusals, SizesOfOtherModelsAreNamed) {
  const auto refusal = [](const DitConfig& dit) { return test::refusal([&] { refuse_other_sizes(dit, "file"); }); };
  DitConfig dit = variants().front().dit;
  refuse_other_sizes(dit, "file");
  dit.in_dim = 96;
  EXPECT_THAT(refusal(dit), HasSubstr("Lucy"));
  dit.in_dim = 100;
  EXPECT_THAT(refusal(dit), HasSubstr("Fun"));
  dit.in_dim = 77;
  EXPECT_THAT(refusal(dit), HasSubstr("77 channels in"));
  dit.dim = 1536;
  dit.num_layers = 30;
  EXPECT_THAT(refusal(dit), HasSubstr("1.3B"));
  dit.dim = 256;
  refuse_other_sizes(dit, "file");
}

TEST(WeightRefusals, WhatIsMissingOrLeftOverIsNamed) {
  FileTensors tensors = whole();
  test::remove(tensors, "blocks.1.ffn.2.weight");
  EXPECT_THAT(Written(tensors).refusal(), HasSubstr("missing blocks.1.ffn.2.weight"));
  tensors = whole();
  test::remove(tensors, "head.modulation");
  EXPECT_THAT(Written(tensors).refusal(), HasSubstr("missing head.modulation"));
  EXPECT_THAT(refusal_with("blocks.0.self_attn.extra_gate.weight"),
              HasSubstr("unexpected tensor blocks.0.self_attn.extra_gate.weight [1, 1]"));
  EXPECT_THAT(refusal_with("blocks.0.attn1.to_q.bias"), HasSubstr("mixes official names and diffusers' names"));
  EXPECT_THAT(Written(FileTensors{test::scalar("evil\x1b[2J", 1)}).refusal(),
              AllOf(HasSubstr("no DiT"), ::testing::Not(HasSubstr("\x1b"))));
  tensors = whole();
  test::tensor_in(tensors, "blocks.0.ffn.2.bias").shape = Shape{1, 256};
  EXPECT_THAT(Written(tensors).refusal(), HasSubstr("blocks.0.ffn.2.bias has shape [1, 256], expected [256]"));
}

TEST(WeightRefusals, ThePrefixNetMustBeEverywhere) {
  FileTensors tensors = whole();
  for (FileTensor& tensor : tensors) tensor.name = "net." + tensor.name;
  EXPECT_EQ(Written(tensors).open().facts().prefix, "net.");
  tensors.push_back(test::scalar("other", 1));
  EXPECT_THAT(Written(tensors).refusal(), HasSubstr("no DiT"));
}

/// Sizes that would overflow or take no end of time are refused before anything is made of them.
TEST(WeightRefusals, AbsurdSizesAreRefused) {
  FileTensors tensors = whole();
  test::tensor_in(tensors, "text_embedding.0.weight") = {
      "text_embedding.0.weight", DType::kF32, {0, INT64_MAX / 4}, ""};
  EXPECT_THAT(Written(tensors).refusal(), HasSubstr("the text's width is"));
  tensors = whole();
  for (int i = 2; i < 1002; ++i) tensors.push_back(test::scalar("blocks." + std::to_string(i) + ".modulation", 1));
  EXPECT_THAT(Written(tensors).refusal(), HasSubstr("too many blocks"));
  tensors = whole();
  test::remove(tensors, "blocks.0.modulation");
  EXPECT_THAT(Written(tensors).refusal(), HasSubstr("no blocks by their tensors 'modulation'"));
}

TEST(WeightRefusals, PlainT5IsNamed) {
  FileTensors tensors;
  for (const auto& [stored_as, name] : test::names(test::kSingle, "text_encoder.transformers"))
    if (name.find("pos_embedding") == name.npos || name.starts_with("blocks.0."))
      tensors.push_back(
          test::stored(stored_as, test::official(test::kSingle, ModelPart::kTextEncoder).at(name), DType::kBF16));
  EXPECT_THAT(Written(tensors).refusal(), AllOf(HasSubstr("relative_attention_bias"), HasSubstr("plain T5")));
}

TEST(WeightRefusals, GgufOfOtherKindsIsNamed) {
  test::GgufSpec spec;
  spec.tensors = test::gguf_tensors(test::official(test::kSingle, ModelPart::kDit), test::kGgufBF16, test::kGgufQ8_0);
  Written(spec).open();  // without an architecture it is told by its names
  spec.keys = {test::gguf_string("general.architecture", "flux")};
  EXPECT_THAT(Written(spec).refusal(), HasSubstr("'flux'"));
  spec.keys = {test::gguf_string("general.architecture", "wan")};
  std::erase_if(spec.tensors, [](const test::GgufTensor& tensor) { return tensor.name == "patch_embedding.weight"; });
  EXPECT_THAT(Written(spec).refusal(), AllOf(HasSubstr("patch_embedding.weight"), HasSubstr("fix_5d_tensors")));
}

}  // namespace
}  // namespace wan
