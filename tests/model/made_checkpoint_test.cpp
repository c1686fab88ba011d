// Checkpoints of random weights in the forms that people download: the engine finds in them what it makes itself, to
// the rounding that each form says.
#include <algorithm>
#include <cmath>
#include <map>
#include <set>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/file.h"
#include "model/checkpoint_writer.h"
#include "model/dit_identity.h"
#include "model/written_tensor.h"
#include "temporary_folder.h"
#include "tensor/encode.h"
#include "weight_files.h"

namespace wan {
namespace {

namespace fs = std::filesystem;
using test::kPair;
using test::kSingle;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::UnorderedElementsAre;
using Counts = std::map<std::string, int64_t>;

constexpr uint64_t kSeed = 5;
/// The image model has the sizes of the pair, but for the channels that an image's latent takes.
const std::string kImagePair = "image pair";

CheckpointSizes sizes_of(const std::string& model) {
  const Checkpoint like = open_checkpoint(fs::path(WAN_FIXTURES) / (model == kImagePair ? kPair : model));
  CheckpointSizes sizes{like.variant, like.dit, like.text, vae_parts(like.vae.version, &like.vae_file)};
  if (model != kImagePair) return sizes;
  sizes.variant = &*std::find_if(variants().begin(), variants().end(),
                                 [](const Variant& row) { return row.image.presence == Presence::kRequired; });
  sizes.dit.in_dim = sizes.variant->dit.in_dim;
  return sizes;
}

fs::path tokenizer_of(const std::string& model) {
  return fs::path(WAN_FIXTURES) / (model == kImagePair ? kPair : model) / "google/umt5-xxl";
}

std::vector<float> seeded(const WeightSource& source, const WeightPart& part) {
  std::vector<float> values(static_cast<size_t>(part.shape.count()));
  source.read(part, 0, part.shape.count(), DType::kF32, values.data());
  return values;
}

float largest(const float* values, size_t count) {
  float found = 0;
  for (size_t i = 0; i < count; ++i) found = std::max(found, std::abs(values[i]));
  return found;
}

/// How far what is read may be from `values`, by the type it is stored in. Of blocks: half a step, and a step is at
/// most the range over the number of its levels, made longer where scales are rounded up to float16 (a 1024th) and to a
/// whole number of the block's unit (a 127th or a 63rd of the largest).
class Bound {
 public:
  Bound(const StoredWeight& stored, float scale, const std::vector<float>& values)
      : stored_(stored), scale_(scale), values_(values) {}

  float at(size_t i) const {
    switch (stored_.values->block) {
      case BlockType::kQ8_0: return largest(&values_[i / 32 * 32], 32) / 254 * 1.001f;
      case BlockType::kQ6K: return largest(&values_[i / 256 * 256], 256) / 62 * (1 + 1 / 127.0f) * 1.002f;
      case BlockType::kQ4K: {
        const auto first = values_.begin() + static_cast<int64_t>(i / 256 * 256);
        const auto [low, high] = std::minmax_element(first, first + 256);
        const float below = std::max(0.0f, -*low) * (1 + 1 / 63.0f) * 1.001f;
        return (std::max(0.0f, *high) + below) / 30 * (1 + 1 / 63.0f) * 1.002f;
      }
      default: break;
    }
    const float magnitude = std::abs(values_[i]);
    switch (stored_.values->dtype) {
      case DType::kBF16: return magnitude * 0x1p-8f;
      case DType::kF16: return magnitude * 0x1p-11f + 0x1p-25f;
      case DType::kF8E4M3: return magnitude * 0x1.001p-4f + scale_ * 0x1p-10f;
      default: return 0;
    }
  }

 private:
  const StoredWeight& stored_;
  float scale_;
  const std::vector<float>& values_;
};

/// The file's values are the seeded ones, each to its type's rounding; those of plain types to the bit.
void expect_seeded(const WeightFile& file, const WeightSource& source, const std::vector<WrittenTensor>& expected) {
  ASSERT_EQ(file.weights().size(), expected.size());
  for (const WrittenTensor& each : expected) {
    const StoredWeight& stored = file.at(each.values->source);
    std::vector<float> values = seeded(source, *each.values);
    const std::vector<float> found = test::values_of(file, stored);
    float scale = 1;
    if (stored.scale != nullptr) {
      scale = *file.file().view(*stored.scale).as<float>();
      EXPECT_EQ(scale, largest(values.data(), values.size()) / 448) << stored.name;
    } else if (stored.values->block == BlockType::kNone) {
      for (float& value : values)
        value = stored.values->dtype == DType::kBF16  ? round_to_bf16(value)
                : stored.values->dtype == DType::kF16 ? to_float(to_f16(value))
                                                      : value;
      EXPECT_EQ(found, values) << stored.name;
      continue;
    }
    const Bound bound(stored, scale, values);
    for (size_t i = 0; i < values.size(); ++i)
      ASSERT_LE(std::abs(found[i] - values[i]), bound.at(i)) << stored.name << ", value " << i;
  }
}

class Made : public testing::Test {
 protected:
  Checkpoint make(const std::string& model, CheckpointForm form) {
    const fs::path folder = folder_ / "made";
    fs::remove_all(folder);
    make_checkpoint(sizes_of(model), kSeed, form, tokenizer_of(model), folder, options_);
    return open_checkpoint(folder);
  }
  Checkpoint make(const std::string& model, CheckpointFormat format) { return make(model, CheckpointForm{format}); }

  std::string json_text(const fs::path& path) const { return read_text(folder_ / "made" / path); }
  nlohmann::json json_in(const fs::path& path) const { return nlohmann::json::parse(json_text(path)); }
  /// Paths of all files.
  std::set<std::string> files() const {
    std::set<std::string> found;
    for (const auto& entry : fs::recursive_directory_iterator(folder_ / "made"))
      if (entry.is_regular_file()) found.insert(fs::relative(entry.path(), folder_ / "made").string());
    return found;
  }

  const test::TemporaryFolder folder_;
  WriteOptions options_;
};

/// A model's miniature in a format.
class EveryForm : public Made, public testing::WithParamInterface<std::tuple<std::string, CheckpointFormat>> {};

TEST_P(EveryForm, HoldsTheEnginesRandomWeights) {
  const auto& [model, format] = GetParam();
  const CheckpointSizes sizes = sizes_of(model);
  options_.shard_bytes = 1'000'000;  // several shards even of a miniature
  const Checkpoint made = make(model, format);
  EXPECT_EQ(made.variant, sizes.variant);
  EXPECT_EQ(made.dit, sizes.dit);
  EXPECT_EQ(made.files.layout, format == CheckpointFormat::kOfficial    ? "official"
                               : format == CheckpointFormat::kDiffusers ? "diffusers"
                                                                        : "ComfyUI");
  ASSERT_EQ(made.dits.size(), sizes.variant->experts.size());
  for (size_t i = 0; i < made.dits.size(); ++i)
    expect_seeded(made.dits[i], random_weights(dit_component(i), kSeed), dit_tensors(sizes.dit, DType::kF32));
  expect_seeded(made.text_encoder, random_weights(Component::kTextEncoder, kSeed), text_encoder_tensors(sizes.text));
  expect_seeded(made.vae_file, random_weights(Component::kVae, kSeed), vae_tensors(sizes.vae, DType::kF32));
  const Tokenizer tokenizer = open_tokenizer(made), original(tokenizer_of(model));
  for (const char* text : {"a red circle moves left", "色调艳丽，过曝", ""})
    EXPECT_EQ(tokenizer.encode(text), original.encode(text)) << text;
}

TEST_P(EveryForm, AppearsCompleteOrNotAtAll) {
  const auto& [model, format] = GetParam();
  int calls = 0;
  uint64_t all = 0, last = 0;
  options_.progress = [&](uint64_t done, uint64_t total) {
    ++calls;
    last = done;
    all = total;
  };
  make(model, format);
  EXPECT_EQ(last, all);
  fs::remove_all(folder_ / "made");
  const int every = calls;
  for (const int stop : {1, every / 3, every}) {
    calls = 0;
    options_.progress = [&](uint64_t, uint64_t) {
      if (++calls == stop) throw Error(ErrorKind::kInterrupted, "stopped");
    };
    EXPECT_THROW(make(model, format), Error) << stop;
    EXPECT_TRUE(fs::is_empty(folder_)) << stop;
  }
}

std::vector<CheckpointFormat> formats() {
  std::vector<CheckpointFormat> all;
  for (const auto& [format, word] : EnumNames<CheckpointFormat>::kTable) all.push_back(format);
  return all;
}

std::string test_name(const std::string& text) {
  std::string name = text;
  std::replace_if(
      name.begin(), name.end(), [](unsigned char c) { return std::isalnum(c) == 0; }, '_');
  return name;
}

INSTANTIATE_TEST_SUITE_P(Miniatures, EveryForm,
                         testing::Combine(testing::Values(kSingle, kPair, kImagePair), testing::ValuesIn(formats())),
                         [](const auto& each) {
                           return test_name(
                               fmt::format("{}_{}", std::get<0>(each.param), enum_name(std::get<1>(each.param))));
                         });

TEST_F(Made, ScaledFp8IsOfAllMatricesAndSaysItsScales) {
  const Checkpoint made = make(kSingle, CheckpointFormat::kComfyFp8);
  // Two blocks of ten matrices and six outside; beside each its scale and the input's, and one marker.
  EXPECT_EQ(made.dits[0].facts().types, (Counts{{"BF16", 43}, {"F8_E4M3", 26}}));
  EXPECT_EQ(made.dits[0].facts().schemes, (Counts{{"one scale a tensor", 26}, {"plain", 43}}));
  const TensorFile& dit = made.dits[0].file();
  EXPECT_EQ(dit.tensors().size(), 69u + 2 * 26 + 1);
  EXPECT_EQ(dit.at("scaled_fp8").dtype, DType::kF8E4M3);
  EXPECT_EQ(dit.at("blocks.0.ffn.2.scale_weight").shape, Shape{});
  EXPECT_EQ(*dit.view("blocks.0.ffn.2.scale_input").as<float>(), 1.0f);
  for (const StoredTensor& tensor : dit.tensors()) EXPECT_EQ(tensor.offset % size_of(tensor.dtype), 0u) << tensor.name;
  // Of the text encoder seven a block; tables of words and of positions, and norms, are not.
  const int64_t layers = made.text.num_layers;
  EXPECT_EQ(made.text_encoder.facts().types, (Counts{{"BF16", 3 * layers + 2}, {"F8_E4M3", 7 * layers}}));
  EXPECT_EQ(made.text_encoder.file().tensors().size(), static_cast<size_t>(17 * layers + 4));
  EXPECT_EQ(made.vae_file.facts().types.size(), 1u);
  EXPECT_THAT(files(),
              ElementsAre("diffusion_models/wan2.2_ti2v_5B_fp8_scaled.safetensors",
                          "text_encoders/umt5_xxl_fp8_e4m3fn_scaled.safetensors", "vae/wan2.2_vae.safetensors"));
}

TEST_F(Made, GgufMixesTypesAsLlamaQuantizeDoes) {
  const Checkpoint made = make(kSingle, CheckpointFormat::kGgufQ4KM);
  // Of each block's ten matrices v twice and ffn.2 in the finer type; six matrices outside the blocks.
  EXPECT_EQ(made.dits[0].facts().types, (Counts{{"BF16", 6}, {"F32", 43}, {"Q4_K", 14}, {"Q6_K", 6}}));
  const TensorFile& dit = made.dits[0].file();
  for (const char* name : {"blocks.1.self_attn.v.weight", "blocks.0.cross_attn.v.weight", "blocks.1.ffn.2.weight"})
    EXPECT_EQ(dit.at(name).block, BlockType::kQ6K) << name;
  for (const char* name : {"patch_embedding.weight", "blocks.0.modulation", "head.modulation", "blocks.0.norm3.weight"})
    EXPECT_EQ(dit.at(name).dtype, DType::kF32) << name;
  EXPECT_EQ(dit.at("patch_embedding.weight").shape.rank(), 5);
  EXPECT_EQ(made.dits[0].facts().architecture, "wan");
  EXPECT_EQ(dit.metadata().at("general.file_type"), "15");
  EXPECT_EQ(dit.metadata().at("general.quantization_version"), "2");
  EXPECT_THAT(files(),
              ElementsAre("diffusion_models/wan2.2_ti2v_5B_Q4_K_M.gguf",
                          "text_encoders/umt5_xxl_fp8_e4m3fn_scaled.safetensors", "vae/wan2.2_vae.safetensors"));

  const Checkpoint eight = make(kSingle, CheckpointFormat::kGgufQ8_0);
  EXPECT_EQ(eight.dits[0].facts().types, (Counts{{"BF16", 6}, {"F32", 43}, {"Q8_0", 20}}));
  EXPECT_EQ(eight.dits[0].file().metadata().at("general.file_type"), "7");
}

TEST_F(Made, RowsThatAreNoWholeBlocksAreF16) {
  // Rows of 128 but for ffn.2, whose rows are 256.
  const Checkpoint made = make(kPair, CheckpointFormat::kGgufQ4KM);
  for (const WeightFile& dit : made.dits)
    EXPECT_EQ(dit.facts().types, (Counts{{"BF16", 6}, {"F16", 18}, {"F32", 43}, {"Q6_K", 2}}));
  EXPECT_THAT(files(), UnorderedElementsAre(
                           "diffusion_models/config.json", "diffusion_models/wan2.2_t2v_high_noise_14B_Q4_K_M.gguf",
                           "diffusion_models/wan2.2_t2v_low_noise_14B_Q4_K_M.gguf",
                           "text_encoders/umt5_xxl_fp8_e4m3fn_scaled.safetensors", "vae/wan_2.1_vae.safetensors"));
}

TEST_F(Made, AConfigLiesBesideWhatTheTensorsDoNotTell) {
  make(kSingle, CheckpointFormat::kComfy);  // heads of 128, as the published models have
  EXPECT_THAT(files(), ElementsAre("diffusion_models/wan2.2_ti2v_5B_bf16.safetensors",
                                   "text_encoders/umt5_xxl_bf16.safetensors", "vae/wan2.2_vae.safetensors"));
  for (const Variant& row : variants()) EXPECT_TRUE(is_told_by_tensors(row.dit)) << row.name;
  CheckpointSizes sizes = sizes_of(kSingle);
  sizes.dit.num_heads = 4;
  make_checkpoint(sizes, kSeed, {CheckpointFormat::kComfy}, tokenizer_of(kSingle), folder_ / "four", options_);
  EXPECT_EQ(open_checkpoint(folder_ / "four").dit, sizes.dit);
}

TEST_F(Made, ADiffusersFolderIsAsTheConverterWritesIt) {
  make(kImagePair, CheckpointFormat::kDiffusers);
  const auto index = json_in("model_index.json");
  EXPECT_EQ(index.at("_class_name"), "WanImageToVideoPipeline");
  EXPECT_EQ(index.at("boundary_ratio"), 0.9);
  EXPECT_EQ(index.at("expand_timesteps"), false);
  EXPECT_EQ(index.at("image_encoder"), (nlohmann::json{nullptr, nullptr}));
  EXPECT_EQ(index.at("transformer_2"), (nlohmann::json{"diffusers", "WanTransformer3DModel"}));
  EXPECT_EQ(json_in("scheduler/scheduler_config.json").at("flow_shift"), 3.0);
  EXPECT_EQ(json_in("transformer/config.json").at("in_channels"), 36);
  EXPECT_EQ(json_in("transformer_2/config.json").at("attention_head_dim"), 64);
  EXPECT_EQ(json_in("text_encoder/config.json").at("architectures"), nlohmann::json::array({"UMT5EncoderModel"}));
  const auto vae = json_in("vae/config.json");
  EXPECT_EQ(vae.at("z_dim"), 16);
  EXPECT_EQ(vae.at("dim_mult"), (nlohmann::json{1, 2, 4, 4}));
  EXPECT_EQ(vae.at("temperal_downsample"), (nlohmann::json{false, true, true}));
  EXPECT_FALSE(vae.contains("is_residual"));
  EXPECT_THAT(json_text("vae/config.json"), HasSubstr("-0.7571,")) << "numbers as they are published";
  EXPECT_THAT(files(),
              testing::IsSupersetOf({"transformer/diffusion_pytorch_model.safetensors",
                                     "transformer_2/diffusion_pytorch_model.safetensors",
                                     "vae/diffusion_pytorch_model.safetensors", "text_encoder/model.safetensors",
                                     "tokenizer/spiece.model", "tokenizer/tokenizer.json"}));

  make(kSingle, CheckpointFormat::kDiffusers);
  EXPECT_EQ(json_in("model_index.json").at("_class_name"), "WanPipeline");
  EXPECT_TRUE(json_in("model_index.json").at("boundary_ratio").is_null());
  EXPECT_EQ(json_in("model_index.json").at("expand_timesteps"), true);
  EXPECT_EQ(json_in("model_index.json").at("transformer_2"), (nlohmann::json{nullptr, nullptr}));
  EXPECT_EQ(json_in("scheduler/scheduler_config.json").at("flow_shift"), 5.0);
  const auto vae22 = json_in("vae/config.json");
  EXPECT_EQ(vae22.at("in_channels"), 12);
  EXPECT_EQ(vae22.at("is_residual"), true);
  EXPECT_EQ(vae22.at("scale_factor_spatial"), 16);
  EXPECT_EQ(vae22.at("latents_std").size(), 48u);
}

TEST_F(Made, DiffusersNamesAreThoseOfOtherPrograms) {
  for (const std::string& model : {kSingle, kPair}) {
    const Checkpoint made = make(model, CheckpointFormat::kDiffusers);
    const auto names_in = [](const TensorFile& file) {
      std::set<std::string> found;
      for (const StoredTensor& tensor : file.tensors()) found.insert(tensor.name);
      return found;
    };
    const auto expected = [&](const char* table) {
      std::set<std::string> found;
      for (const auto& [stored, official] : test::names(model, table)) found.insert(stored);
      return found;
    };
    EXPECT_EQ(names_in(made.dits[0].file()), expected("dit.diffusers"));
    EXPECT_EQ(names_in(made.vae_file.file()), expected("vae.diffusers"));
  }
}

TEST_F(Made, DiffusersShardsHaveAnIndex) {
  options_.shard_bytes = 200'000;
  const Checkpoint made = make(kSingle, {CheckpointFormat::kDiffusers, DType::kBF16});
  for (const auto& [type, count] : made.dits[0].facts().types) EXPECT_EQ(type, "BF16") << count;
  for (const auto& [folder, stem, file] : {std::tuple{"transformer", "diffusion_pytorch_model", &made.dits[0].file()},
                                           std::tuple{"text_encoder", "model", &made.text_encoder.file()}}) {
    const auto index = json_in(fs::path(folder) / fmt::format("{}.safetensors.index.json", stem));
    EXPECT_EQ(index.at("metadata").at("total_size"), file->total_bytes());
    EXPECT_EQ(index.at("weight_map").size(), file->tensors().size());
    EXPECT_GE(file->files().size(), 2u);
    const size_t shards = file->files().size();
    EXPECT_TRUE(files().contains(fmt::format("{}/{}-00001-of-{:05}.safetensors", folder, stem, shards)));
  }
}

TEST_F(Made, ComfyNeedsASentencePieceModel) {
  const fs::path tokenizer = folder_ / "tokenizer";
  fs::create_directories(tokenizer);
  fs::copy_file(tokenizer_of(kSingle) / "tokenizer.json", tokenizer / "tokenizer.json");
  try {
    make_checkpoint(sizes_of(kSingle), kSeed, {CheckpointFormat::kComfy}, tokenizer, folder_ / "made", options_);
    ADD_FAILURE() << "written";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::kInput);
    EXPECT_THAT(error.what(), testing::AllOf(HasSubstr(tokenizer.string()), HasSubstr("spiece.model")));
  }
  EXPECT_FALSE(fs::exists(folder_ / "made"));
  // One by itself will do.
  make_checkpoint(sizes_of(kSingle), kSeed, {CheckpointFormat::kComfy}, tokenizer_of(kSingle) / "spiece.model",
                  folder_ / "made", options_);
}

}  // namespace
}  // namespace wan
