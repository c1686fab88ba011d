// Each scheme of quantisation has the values that other programs computed; what would make them wrong is refused.
#include "model/weight_scheme.h"

#include <cmath>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "builders.h"
#include "model/swizzle.h"
#include "weight_files.h"

namespace wan {
namespace {

using test::differences;
using test::FileTensor;
using test::FileTensors;
using test::kNone;
using test::marker;
using test::Model;
using test::quantised;
using test::Values;
using test::Written;
using ::testing::HasSubstr;

const Model& single() { return test::official(test::kSingle, ModelPart::kDit); }

FileTensors scaled(DType dtype, bool (*which)(const std::string&, const Values&) = test::is_block_linear) {
  return quantised(single(), which, [&](const std::string& name, const Values& values) {
    return test::float8_by_tensor(name, values, dtype);
  });
}

FileTensors by_row(DType dtype) {
  return quantised(single(), test::is_block_linear,
                   [&](const std::string& name, const Values& values) { return test::by_row(name, values, dtype); });
}

TEST(WeightScheme, EveryByteOfTheSmallFloats) {
  const auto& e4m3 = values_of_bytes(DType::kF8E4M3);
  const auto& e5m2 = values_of_bytes(DType::kF8E5M2);
  const auto& e8m0 = values_of_bytes(DType::kF8E8M0);
  EXPECT_EQ(e4m3[0x7e], 448.0f);
  EXPECT_EQ(e4m3[0x01], 0x1p-9f);
  EXPECT_EQ(e4m3[0xb8], -1.0f);
  EXPECT_TRUE(std::isnan(e4m3[0x7f]) && std::isnan(e4m3[0xff]) && std::signbit(e4m3[0x80]));
  EXPECT_EQ(e5m2[0x7b], 57344.0f);
  EXPECT_EQ(e5m2[0x01], 0x1p-16f);
  EXPECT_TRUE(std::isinf(e5m2[0x7c]) && std::isnan(e5m2[0x7d]));
  EXPECT_EQ(e8m0[127], 1.0f);
  EXPECT_EQ(e8m0[0], 0.0f);
  EXPECT_EQ(e8m0[1], 0x1p-126f);
  EXPECT_TRUE(std::isnan(e8m0[255]));
  for (size_t i = 1; i < 0x7b; ++i) EXPECT_TRUE(e4m3[i] > e4m3[i - 1] && e5m2[i] > e5m2[i - 1]) << i;
}

TEST(WeightScheme, HalfPrecisionFilesAreRead) {
  EXPECT_EQ(differences(Written(test::stored_all(single(), DType::kBF16)).open(), single()), kNone);
  EXPECT_EQ(differences(Written(test::stored_all(single(), DType::kF16)).open(),
                        "ti2v-comfy-fp16/diffusion_models/wan2.2_ti2v_5B_fp16.safetensors"),
            kNone);
  EXPECT_EQ(differences(Written(test::stored_all(test::official(test::kSingle, ModelPart::kVae), DType::kF16)).open(),
                        "ti2v-comfy-fp16/vae/wan2.2_vae.safetensors"),
            kNone);
}

TEST(WeightScheme, PlainCastsAreRead) {
  for (const auto& [dtype, path] : {std::pair{DType::kF8E4M3, "ti2v-fp8-plain/Wan2_2-TI2V-5B_fp8_e4m3fn.safetensors"},
                                    std::pair{DType::kF8E5M2, "ti2v-fp8-plain/Wan2_2-TI2V-5B_fp8_e5m2.safetensors"}}) {
    FileTensors tensors = test::stored_all(single(), [dtype = dtype](const std::string& name, const Values& values) {
      return test::is_block_linear(name, values) ? dtype : DType::kBF16;
    });
    EXPECT_EQ(differences(Written(tensors).open(), path), kNone);
    tensors.push_back(marker(dtype, 2));  // which lies, since no weight has a scale
    EXPECT_EQ(differences(Written(tensors).open(), path), kNone);
  }
}

/// Scales of both shapes, hints about inputs, and markers of any length.
TEST(WeightScheme, OneScaleATensor) {
  FileTensors comfy = scaled(DType::kF8E4M3, test::is_linear);
  bool round = false;
  for (FileTensor& tensor : comfy)
    if (tensor.name.ends_with(".scale_weight") && (round = !round)) tensor.shape = Shape{1};
  comfy.push_back(test::scalar("blocks.0.ffn.0.scale_input", 0.0123f));
  comfy.push_back(marker(DType::kF8E4M3, 2));
  const std::string path = "ti2v-comfy-fp8-scaled/diffusion_models/wan2.2_ti2v_5B_fp8_scaled.safetensors";
  EXPECT_EQ(differences(Written(comfy).open(), path), kNone);
  for (FileTensor& tensor : comfy) tensor.name = "model.diffusion_model." + tensor.name;
  EXPECT_EQ(differences(Written(comfy).open(), path), kNone);

  FileTensors kijai = scaled(DType::kF8E5M2);
  kijai.push_back(marker(DType::kF8E5M2, 0));
  EXPECT_EQ(differences(Written(kijai).open(), "ti2v-kijai-fp8-scaled/Wan2_2-TI2V-5B_fp8_e5m2_scaled_KJ.safetensors"),
            kNone);
}

TEST(WeightScheme, OneScaleARow) {
  const std::string float8 = "ti2v-lightx2v/wan2.2_ti2v_5b_scaled_fp8_e4m3_lightx2v.safetensors";
  const std::string int8 = "ti2v-lightx2v/wan2.2_ti2v_5b_int8_lightx2v.safetensors";
  EXPECT_EQ(differences(Written(by_row(DType::kF8E4M3)).open(), float8), kNone);
  EXPECT_EQ(differences(Written(by_row(DType::kI8)).open(), int8), kNone);
}

/// Rows are those of the matrix that is stored, also where the official tensor has more axes.
TEST(WeightScheme, OneScaleARowOfAFoldedConvolution) {
  FileTensors tensors = test::stored_all(single(), DType::kF32);
  Values patch = single().at("patch_embedding.weight");
  patch.shape = Shape{patch.shape[0], patch.shape.count() / patch.shape[0]};
  const test::Quantised pair = test::by_row("patch_embedding.weight", patch, DType::kI8);
  test::tensor_in(tensors, "patch_embedding.weight") = pair.values;
  tensors.push_back(pair.scale);
  const WeightFile file = Written(tensors).open();
  const std::vector<float> read = test::values_of(file, file.at("patch_embedding.weight"));
  for (size_t i = 0; i < read.size(); ++i) {
    const auto row = i / static_cast<size_t>(patch.shape[1]);
    const float scale = reinterpret_cast<const float*>(pair.scale.bytes.data())[row];
    ASSERT_EQ(read[i], static_cast<float>(static_cast<int8_t>(pair.values.bytes[i])) * scale) << i;
  }
}

/// LightX2V's text encoder: official names, its blocks' matrices in 8 bits.
TEST(WeightScheme, OneScaleARowOfATextEncoder) {
  const Model& model = test::official(test::kSingle, ModelPart::kTextEncoder);
  const auto quantise = [](const std::string& name, const Values& values) {
    return test::by_row(name, values, DType::kF8E4M3);
  };
  FileTensors tensors = quantised(model, test::is_block_linear, quantise);
  const WeightFile file = Written(tensors).open();
  EXPECT_EQ(file.part(), ModelPart::kTextEncoder);
  EXPECT_EQ(file.facts().naming, WeightNaming::kOfficial);
  EXPECT_EQ(file.facts().schemes.at("one scale a row"), 21);
  const std::string name = "blocks.2.ffn.fc2.weight";
  const FileTensor &stored = test::tensor_in(tensors, name), &scales = test::tensor_in(tensors, name + "_scale");
  const std::vector<float> read = test::values_of(file, file.at(name));
  for (size_t i = 0; i < read.size(); ++i) {
    const float scale = reinterpret_cast<const float*>(scales.bytes.data())[i / static_cast<size_t>(stored.shape[1])];
    ASSERT_EQ(read[i], values_of_bytes(DType::kF8E4M3)[static_cast<uint8_t>(stored.bytes[i])] * scale) << i;
  }
}

/// A scale at another weight's place is seen: the check of digests can fail.
TEST(WeightScheme, SwappedScalesAreSeen) {
  FileTensors tensors = by_row(DType::kI8);
  std::swap(test::tensor_in(tensors, "blocks.0.self_attn.q.weight_scale").bytes,
            test::tensor_in(tensors, "blocks.0.self_attn.k.weight_scale").bytes);
  EXPECT_EQ(differences(Written(tensors).open(), "ti2v-lightx2v/wan2.2_ti2v_5b_int8_lightx2v.safetensors"),
            (std::vector<std::string>{"blocks.0.self_attn.k.weight", "blocks.0.self_attn.q.weight"}));
}

/// ModelOpt's export has diffusers' names.
TEST(WeightScheme, ModelOptsFloat8IsRead) {
  const auto table = test::names(test::kSingle, "dit.diffusers");
  FileTensors tensors;
  for (const auto& [stored_as, name] : table) {
    const Values& values = single().at(name);
    if (!test::is_block_linear(name, values)) {
      tensors.push_back(test::stored(stored_as, values, DType::kBF16));
      continue;
    }
    test::Quantised pair = test::float8_by_tensor(name, values, DType::kF8E4M3);
    const std::string layer = stored_as.substr(0, stored_as.size() - std::string(".weight").size());
    pair.values.name = stored_as;
    pair.scale.name = layer + ".weight_scale";
    tensors.push_back(pair.values);
    tensors.push_back(pair.scale);
    tensors.push_back(test::scalar(layer + ".input_scale", 7));
  }
  const WeightFile file = Written(tensors).open();
  EXPECT_EQ(file.facts().schemes.at("one scale a tensor"), 20);
  // The same weights as ComfyUI's, whose digests there are.
  const auto& expected =
      test::digests().at("ti2v-comfy-fp8-scaled/diffusion_models/wan2.2_ti2v_5B_fp8_scaled.safetensors");
  for (const StoredWeight& weight : file.weights())
    if (weight.scheme == WeightScheme::kTensorScale) {
      EXPECT_EQ(expected.at(weight.name).at("sha256_f32"), test::digest_of(test::values_of(file, weight)))
          << weight.name;
    }
}

/// TurboDiffusion's form: one scale for a tile of 128 x 128, the convolution as a matrix.
TEST(WeightScheme, OneScaleATile) {
  FileTensors tensors;
  Model expected = single();
  for (auto& [name, values] : expected) {
    if (!test::is_block_linear(name, values)) {
      tensors.push_back(test::stored(name, values, DType::kBF16));
      continue;
    }
    const int64_t rows = values.shape[0], columns = values.shape[1], across = columns / 128;
    std::vector<float> scales;
    std::string bytes;
    for (int64_t tile = 0; tile < rows / 128 * across; ++tile)
      scales.push_back(0.01f + 0.003f * static_cast<float>(tile));
    for (int64_t i = 0; i < rows * columns; ++i) {
      const auto q = static_cast<int8_t>(i * 37 % 255 - 127);
      bytes += static_cast<char>(q);
      const int64_t tile = i / columns / 128 * across + i % columns / 128;
      values.values[static_cast<size_t>(i)] = static_cast<float>(q) * scales[static_cast<size_t>(tile)];
    }
    const std::string layer = name.substr(0, name.size() - std::string(".weight").size());
    tensors.push_back({layer + ".int8_weight", DType::kI8, values.shape, bytes});
    tensors.push_back({layer + ".scale", DType::kF32, {rows / 128, across}, test::raw(scales)});
  }
  FileTensor& patch = test::tensor_in(tensors, "patch_embedding.weight");
  patch.shape = Shape{patch.shape[0], patch.shape.count() / patch.shape[0]};
  EXPECT_EQ(differences(Written(tensors).open(), expected), kNone);
}

TEST(WeightScheme, ScalesOfGroupsLieInTheOrderOfMatrixProducts) {
  // Four columns of 32 rows each stand beside each other: 16 bytes a row of the first 32.
  EXPECT_EQ(swizzled_index(0, 0, 8), 0);
  EXPECT_EQ(swizzled_index(1, 0, 8), 16);
  EXPECT_EQ(swizzled_index(32, 0, 8), 4);
  EXPECT_EQ(swizzled_index(0, 3, 8), 3);
  EXPECT_EQ(swizzled_index(0, 4, 8), 512);
  EXPECT_EQ(swizzled_index(128, 0, 8), 1024);
}

// --- what is refused

TEST(WeightSchemeRefusal, AScaleThatIsMissing) {
  FileTensors tensors = scaled(DType::kF8E4M3);
  tensors.push_back(marker(DType::kF8E4M3, 2));
  test::remove(tensors, "blocks.1.cross_attn.v.scale_weight");
  EXPECT_THAT(Written(tensors).refusal(),
              HasSubstr("blocks.1.cross_attn.v.weight is stored as F8_E4M3 without a scale"));
}

TEST(WeightSchemeRefusal, AScaleWithoutAWeight) {
  FileTensors tensors = scaled(DType::kF8E4M3);
  tensors.push_back(test::scalar("blocks.7.ffn.0.scale_weight", 1));
  EXPECT_THAT(Written(tensors).refusal(), HasSubstr("blocks.7.ffn.0.scale_weight belongs to no weight"));
}

TEST(WeightSchemeRefusal, ScalesThatFitNoWeight) {
  FileTensors tensors = by_row(DType::kI8);
  FileTensor& scale = test::tensor_in(tensors, "blocks.0.ffn.0.weight_scale");
  scale.shape = Shape{1, scale.shape[0]};  // a square matrix would take it for its columns
  EXPECT_THAT(Written(tensors).refusal(), HasSubstr("blocks.0.ffn.0.weight_scale has shape [1, 512]"));
  tensors = by_row(DType::kI8);
  test::tensor_in(tensors, "blocks.0.ffn.0.weight_scale").dtype = DType::kI32;
  EXPECT_THAT(Written(tensors).refusal(), HasSubstr("expected a scale in floating point"));
  tensors = test::stored_all(single(), DType::kBF16);
  tensors.push_back(test::scalar("blocks.0.ffn.0.scale_weight", 2));
  EXPECT_THAT(Written(tensors).refusal(), HasSubstr("has a scale, blocks.0.ffn.0.scale_weight, but is stored as BF16"));
}

TEST(WeightSchemeRefusal, EightBitsWithoutAMeaning) {
  for (const auto& [dtype, word] : {std::pair{DType::kI8, "I8"}, std::pair{DType::kI32, "I32"}}) {
    FileTensors tensors = test::stored_all(single(), DType::kBF16);
    FileTensor& q = test::tensor_in(tensors, "blocks.0.self_attn.q.weight");
    q.dtype = dtype;
    q.bytes.assign(static_cast<size_t>(q.shape.count()) * size_of(dtype), '\0');
    EXPECT_THAT(Written(tensors).refusal(), HasSubstr(std::string("blocks.0.self_attn.q.weight is stored as ") + word));
  }
}

std::string refusal_of_quant(const std::string& json, const FileTensors& more = {}) {
  FileTensors tensors = scaled(DType::kF8E4M3);
  for (FileTensor& tensor : tensors)
    if (tensor.name.ends_with(".scale_weight")) tensor.name.replace(tensor.name.size() - 12, 12, "weight_scale");
  tensors.push_back(test::text("blocks.0.ffn.0.comfy_quant", json));
  tensors.insert(tensors.end(), more.begin(), more.end());
  return Written(tensors).refusal();
}

TEST(WeightSchemeRefusal, FormatsThatAreNotRead) {
  for (const char* format : {"awq_w4a16", "convrot_w4a4", "asym_w4a8_int8", "svdquant"})
    EXPECT_THAT(refusal_of_quant(R"({"format": ")" + std::string(format) + R"("})"),
                HasSubstr("blocks.0.ffn.0.weight is of the quantisation format '" + std::string(format) + "'"));
  EXPECT_THAT(refusal_of_quant(R"({"format": "int8_tensorwise", "convrot": true})"), HasSubstr("'convrot'"));
  EXPECT_THAT(refusal_of_quant(R"({"format": "int8_tensorwise"})"), HasSubstr("needs I8"));
  EXPECT_THAT(refusal_of_quant(R"({"format": "nvfp4"})"), HasSubstr("needs U8"));
  EXPECT_THAT(refusal_of_quant(R"({"format": "mxfp8"})"), HasSubstr("expected F8_E8M0 or U8"));
  EXPECT_THAT(refusal_of_quant(R"({"form": 1})"), HasSubstr("no text under 'format'"));
  EXPECT_THAT(refusal_of_quant("{"), HasSubstr("blocks.0.ffn.0.comfy_quant"));
  EXPECT_THAT(refusal_of_quant(std::string(70000, ' ')), HasSubstr("at most 64 KiB"));
  EXPECT_THAT(refusal_of_quant(R"({"format": "float8_e4m3fn"})", {test::scalar("blocks.0.ffn.0.pre_quant_scale", 1)}),
              HasSubstr("pre_quant_scale"));
}

TEST(WeightSchemeRefusal, HeadersThatAreNotAsComfyWritesThem) {
  const auto refusal = [&](const std::string& text) {
    return Written(test::stored_all(single(), DType::kBF16), {{"_quantization_metadata", text}}).refusal();
  };
  EXPECT_THAT(refusal("{"), HasSubstr("_quantization_metadata"));
  EXPECT_THAT(refusal("[]"), HasSubstr("has no object 'layers'"));
  EXPECT_THAT(refusal(R"({"layers": {"blocks.0.ffn.0": 1}})"), HasSubstr("layer 'blocks.0.ffn.0'"));
  EXPECT_THAT(refusal(R"({"layers": {"blocks.0.ffn.0": {"format": "nvfp4"}}})"), HasSubstr("is stored as BF16"));
}

TEST(WeightSchemeRefusal, NumbersThatAreNone) {
  FileTensors tensors = scaled(DType::kF8E4M3);
  FileTensor& weight = test::tensor_in(tensors, "blocks.0.ffn.0.weight");
  weight.bytes[3 * 256 + 5] = 0x7f;
  const Written damaged(tensors);
  const WeightFile file = damaged.open();
  std::vector<float> values(131072);
  EXPECT_THAT(test::refusal([&] { file.read("blocks.0.ffn.0.weight", 0, 131072, DType::kF32, values.data()); }),
              ::testing::AllOf(HasSubstr("blocks.0.ffn.0.weight"), HasSubstr("value 773 of"),
                               HasSubstr(damaged.path().string())));
  EXPECT_THAT(test::refusal([&] { file.read("blocks.0.ffn.0.weight", 770, 775, DType::kBF16, values.data()); }),
              HasSubstr("value 773 of"));
  file.read("blocks.0.ffn.0.weight", 0, 773, DType::kF32, values.data());  // what is whole is read
  EXPECT_THAT(test::refusal([&] { file.read("blocks.9.ffn.0.weight", 0, 1, DType::kF32, values.data()); }),
              HasSubstr("blocks.9.ffn.0.weight"));
}

TEST(WeightSchemeRefusal, NumbersThatAreNoneInPlainTypes) {
  for (const DType dtype : {DType::kF32, DType::kF16, DType::kBF16}) {
    Model model = single();
    model.at("head.head.bias").values[3] = INFINITY;
    const Written damaged(test::stored_all(model, dtype));
    const WeightFile file = damaged.open();
    std::vector<float> values(static_cast<size_t>(file.at("head.head.bias").shape.count()));
    for (const DType as : {DType::kF32, DType::kBF16})
      EXPECT_THAT(test::refusal([&] { file.read("head.head.bias", 0, 8, as, values.data()); }),
                  HasSubstr("head.head.bias holds NaN or infinity at value 3"));
  }
}

}  // namespace
}  // namespace wan
