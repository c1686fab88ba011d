// Every form in which weights are passed around gives the values that other programs computed for it, bit for bit.
#include "model/weight_file.h"

#include <algorithm>
#include <fstream>
#include <set>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "builders.h"
#include "weight_files.h"

namespace wan {
namespace {

namespace fs = std::filesystem;
using test::differences;
using test::digest_of;
using test::digests;
using test::FileTensor;
using test::FileTensors;
using test::kFormats;
using test::kNone;
using test::Model;
using test::names;
using test::Values;
using test::values_of;
using test::Written;
using ::testing::HasSubstr;

const std::map<std::string, uint32_t>& type_ids() {
  static const std::map<std::string, uint32_t> ids{{"Q4_0", 2},  {"Q4_1", 3},  {"Q5_0", 6},    {"Q2_K", 10},
                                                   {"Q3_K", 11}, {"Q6_K", 14}, {"IQ4_NL", 20}, {"IQ4_XS", 23}};
  return ids;
}

// --- files of the fixtures

std::vector<std::string> files_here() {
  std::vector<std::string> files;
  for (const auto& [file, tensors] : digests().items())
    if (fs::exists(kFormats / file)) files.push_back(file);
  return files;
}

class FixtureFile : public ::testing::TestWithParam<std::string> {};

TEST_P(FixtureFile, HasTheValuesThatOthersComputed) {
  EXPECT_EQ(differences(WeightFile::open(kFormats / GetParam()), GetParam()), kNone);
}

std::string as_test_name(const ::testing::TestParamInfo<std::string>& info) {
  std::string name = info.param;
  std::replace_if(
      name.begin(), name.end(), [](char c) { return std::isalnum(static_cast<unsigned char>(c)) == 0; }, '_');
  return name;
}

INSTANTIATE_TEST_SUITE_P(Formats, FixtureFile, ::testing::ValuesIn(files_here()), as_test_name);

TEST(FixtureFiles, AreAllThere) { EXPECT_GE(files_here().size(), 6u); }

// --- GGUF written here

test::GgufSpec gguf_of(const Model& model, uint32_t other, uint32_t block) {
  return {.keys = {test::gguf_string("general.architecture", "wan")},
          .tensors = test::gguf_tensors(model, other, block)};
}

TEST(WeightFileGguf, Q8_0HasTheValuesThatOthersComputed) {
  const Model& model = test::official(test::kSingle, ModelPart::kDit);
  const WeightFile file = Written(gguf_of(model, test::kGgufBF16, test::kGgufQ8_0)).open();
  EXPECT_EQ(differences(file, "ti2v-gguf/Wan2.2-TI2V-5B-Q8_0.gguf"), kNone);
}

TEST(WeightFileGguf, UnpackedTypesHaveTheValuesThatOthersComputed) {
  const Model& model = test::official(test::kSingle, ModelPart::kDit);
  EXPECT_EQ(differences(Written(gguf_of(model, test::kGgufBF16, test::kGgufBF16)).open(), model), kNone);
  EXPECT_EQ(
      differences(Written(gguf_of(model, test::kGgufF16, test::kGgufF16)).open(), "ti2v-gguf/Wan2.2-TI2V-5B-F16.gguf"),
      kNone);
}

/// As stable-diffusion.cpp writes it: no architecture, a prefix, the convolution in four axes, modulations in two.
TEST(WeightFileGguf, FoldedTensorsOfStableDiffusionCppAreRead) {
  test::GgufSpec spec = gguf_of(test::official(test::kPair, ModelPart::kDit), test::kGgufF16, test::kGgufQ8_0);
  spec.keys = {test::gguf_u32("wan.attention.head_count", 2)};
  for (test::GgufTensor& tensor : spec.tensors) {
    auto& shape = tensor.shape;
    if (shape.size() == 5) shape = {shape[0] * shape[1], shape[2], shape[3], shape[4]};
    if (shape.size() == 3) shape.erase(shape.begin());
    tensor.name = "model.diffusion_model." + tensor.name;
  }
  const WeightFile file = Written(spec).open();
  EXPECT_EQ(differences(file, "moe-gguf-sdcpp/wan2.2_t2v_high_noise_q8_0.gguf"), kNone);
  EXPECT_EQ(file.file().metadata().at("wan.attention.head_count"), "2");
  spec.tensors.back().shape.insert(spec.tensors.back().shape.begin(), 1);  // no other kind of tensor may be folded
  EXPECT_THAT(Written(spec).refusal(), HasSubstr("has shape [1, 768, 128], expected [768, 128]"));
}

TEST(WeightFileGguf, TextEncodersAreRead) {
  const Model& model = test::official(test::kSingle, ModelPart::kTextEncoder);
  for (const auto& [type, path] : {std::pair{test::kGgufQ8_0, "ti2v-gguf/text_encoders/umt5-xxl-encoder-Q8_0.gguf"},
                                   std::pair{test::kGgufF16, "ti2v-gguf/text_encoders/umt5-xxl-encoder-F16.gguf"}}) {
    test::GgufSpec spec;
    spec.keys = {test::gguf_string("general.architecture", "t5encoder")};
    for (const auto& [stored_as, name] : names(test::kSingle, "text_encoder.llama_cpp")) {
      const Values& values = model.at(name);
      const auto extents = values.shape.extents();
      const bool plain = values.shape.rank() == 1 || name.find("pos_embedding") != name.npos;
      spec.tensors.push_back({stored_as,
                              {extents.begin(), extents.end()},
                              plain ? test::kGgufF32 : type,
                              test::gguf_data(values, plain ? test::kGgufF32 : type)});
    }
    EXPECT_EQ(differences(Written(spec).open(), path), kNone);
  }
}

/// Matrices in the types that no whole file of the fixtures has, put into a model.
class BlockSample : public ::testing::TestWithParam<std::string> {};

TEST_P(BlockSample, HasTheValuesThatOthersComputed) {
  const auto sources = nlohmann::json::parse(std::ifstream(kFormats / "blocks/sources.json"));
  const std::string source = sources.at(GetParam());
  const TensorFile sample = TensorFile::open(kFormats / "blocks" / (GetParam() + ".gguf"));
  ASSERT_EQ(sample.tensors().size(), 1u);
  const StoredTensor& tensor = sample.tensors().front();
  EXPECT_EQ(tensor.type_name(), GetParam());
  const bool is_pair = source.starts_with("moe");
  test::GgufSpec spec =
      gguf_of(test::official(is_pair ? test::kPair : test::kSingle, ModelPart::kDit), test::kGgufBF16, test::kGgufBF16);
  for (test::GgufTensor& each : spec.tensors)
    if (each.name == tensor.name) {
      const auto bytes = sample.bytes_of(tensor);
      each.data.assign(reinterpret_cast<const char*>(bytes.data()), bytes.size());
      each.type = type_ids().at(GetParam());
    }
  const WeightFile file = Written(spec).open();
  const std::vector<float> values = values_of(file, file.at(tensor.name));
  EXPECT_EQ(digest_of(values), digests().at(source).at(tensor.name).at("sha256_f32"));
  EXPECT_EQ(file.facts().types.at(GetParam()), 1);
}

INSTANTIATE_TEST_SUITE_P(Types, BlockSample,
                         ::testing::Values("Q2_K", "Q3_K", "Q4_0", "Q4_1", "Q5_0", "Q6_K", "IQ4_NL", "IQ4_XS"));

// --- namings

TEST(WeightFileNaming, OfficialFilesAreRead) {
  const fs::path single = fs::path(WAN_FIXTURES) / test::kSingle, pair = fs::path(WAN_FIXTURES) / test::kPair;
  EXPECT_EQ(differences(WeightFile::open(single / "models_t5_umt5-xxl-enc-bf16.pth"),
                        test::official(test::kSingle, ModelPart::kTextEncoder)),
            kNone);
  EXPECT_EQ(differences(WeightFile::open(single / "Wan2.2_VAE.pth"), test::official(test::kSingle, ModelPart::kVae)),
            kNone);
  EXPECT_EQ(differences(WeightFile::open(pair / "Wan2.1_VAE.pth"), test::official(test::kPair, ModelPart::kVae)),
            kNone);
  EXPECT_EQ(differences(WeightFile::open(single / "diffusion_pytorch_model.safetensors.index.json"),
                        test::official(test::kSingle, ModelPart::kDit)),
            kNone);
}

struct NamingCase {
  std::string miniature, table;
  ModelPart part;
  WeightNaming naming;
};
void PrintTo(const NamingCase& each, std::ostream* out) { *out << each.miniature << " " << each.table; }

class Naming : public ::testing::TestWithParam<NamingCase> {};

/// The stored names are those of the programs' own maps, which came with the fixtures.
TEST_P(Naming, IsReadUnderOfficialNames) {
  const auto& [miniature, table, part, naming] = GetParam();
  const Model& model = test::official(miniature, part);
  FileTensors tensors;
  for (const auto& [stored_as, name] : names(miniature, table))
    tensors.push_back(test::stored(stored_as, model.at(name), DType::kF32));
  const WeightFile file = Written(tensors).open();
  EXPECT_EQ(file.part(), part);
  EXPECT_EQ(file.facts().naming, naming);
  EXPECT_EQ(differences(file, model), kNone);
  for (FileTensor& tensor : tensors) tensor.name = "model." + tensor.name;
  EXPECT_EQ(differences(Written(tensors).open(), model), kNone);
}

INSTANTIATE_TEST_SUITE_P(
    Namings, Naming,
    ::testing::Values(
        NamingCase{test::kSingle, "dit.diffusers", ModelPart::kDit, WeightNaming::kDiffusers},
        NamingCase{test::kPair, "dit.diffusers", ModelPart::kDit, WeightNaming::kDiffusers},
        NamingCase{test::kSingle, "text_encoder.transformers", ModelPart::kTextEncoder, WeightNaming::kTransformers},
        NamingCase{test::kSingle, "text_encoder.llama_cpp", ModelPart::kTextEncoder, WeightNaming::kLlamaCpp},
        NamingCase{test::kSingle, "vae.diffusers", ModelPart::kVae, WeightNaming::kDiffusers},
        NamingCase{test::kPair, "vae.diffusers", ModelPart::kVae, WeightNaming::kDiffusers}));

TEST(WeightFileNaming, NormsOfTheTwoNamingsAreNotMixedUp) {
  EXPECT_EQ(stored_name(ModelPart::kDit, WeightNaming::kDiffusers, "blocks.3.norm3.weight"), "blocks.3.norm2.weight");
  EXPECT_EQ(stored_name(ModelPart::kTextEncoder, WeightNaming::kTransformers, "blocks.0.ffn.gate.0.weight"),
            "encoder.block.0.layer.1.DenseReluDense.wi_0.weight");
}

TEST(WeightFileNaming, APublishedModelHasEveryNameOnce) {
  const auto manifests = nlohmann::json::parse(std::ifstream(std::string(WAN_FIXTURES) + "/units/manifests.json"));
  const auto distinct = [&](const char* manifest, ModelPart part, WeightNaming naming) {
    std::set<std::string> found;
    for (const auto& [name, shape] : manifests.at(manifest).items()) found.insert(stored_name(part, naming, name));
    return found.size() == manifests.at(manifest).size();
  };
  EXPECT_TRUE(distinct("dit.i2v-A14B", ModelPart::kDit, WeightNaming::kDiffusers));
  EXPECT_TRUE(distinct("umt5-xxl-encoder", ModelPart::kTextEncoder, WeightNaming::kTransformers));
  EXPECT_TRUE(distinct("umt5-xxl-encoder", ModelPart::kTextEncoder, WeightNaming::kLlamaCpp));
  EXPECT_TRUE(distinct("vae2.1", ModelPart::kVae, WeightNaming::kDiffusers));
  EXPECT_TRUE(distinct("vae2.2", ModelPart::kVae, WeightNaming::kDiffusers));
}

TEST(WeightFileNaming, TheFileSaysWhatItIs) {
  const WeightFile file = WeightFile::open(kFormats / "moe-gguf/LowNoise/Wan2.2-T2V-A14B-LowNoise-Q5_1.gguf");
  EXPECT_THAT(file.facts().evidence,
              ::testing::ElementsAre("GGUF 3, general.architecture wan", "a DiT, with official names"));
  EXPECT_EQ(file.facts().types,
            (std::map<std::string, int64_t>{{"BF16", 6}, {"F32", 43}, {"Q5_1", 14}, {"Q6_K", 2}, {"Q8_0", 4}}));
  EXPECT_EQ(file.sizes().dit.dim, 128);
  EXPECT_EQ(file.sizes().dit.num_layers, 2);
  EXPECT_EQ(file.sizes().dit.in_dim, 16);
  EXPECT_EQ(file.sizes().dit.num_heads, 0);  // no tensor tells it
  const WeightFile mixed =
      WeightFile::open(kFormats / "moe-comfy-quant/diffusion_models/wan2.2_t2v_low_noise_14B_mixed.safetensors");
  EXPECT_EQ(mixed.facts().schemes,
            (std::map<std::string, int64_t>{
                {"mxfp8", 4}, {"nvfp4", 4}, {"one scale a row", 6}, {"one scale a tensor", 6}, {"plain", 49}}));
  const WeightFile encoder = WeightFile::open(kFormats / "ti2v-gguf/text_encoders/umt5-xxl-encoder-Q5_1.gguf");
  EXPECT_EQ(encoder.sizes().text.num_heads, 4);
  EXPECT_EQ(static_cast<int64_t>(encoder.file().strings("tokenizer.ggml.tokens").size()),
            encoder.sizes().text.vocabulary);
  EXPECT_EQ(encoder.file().numbers("tokenizer.ggml.scores").size(),
            encoder.file().numbers("tokenizer.ggml.token_type").size());
}

/// One checkpoint with everything, as ComfyUI saves it.
TEST(WeightFileNaming, PartsOfACheckpointAreChosen) {
  FileTensors all = test::stored_all(test::official(test::kPair, ModelPart::kDit), DType::kBF16);
  for (FileTensor& tensor : all) tensor.name = "model.diffusion_model." + tensor.name;
  for (FileTensor tensor : test::stored_all(test::official(test::kPair, ModelPart::kVae), DType::kF32)) {
    tensor.name = "vae." + tensor.name;
    all.push_back(std::move(tensor));
  }
  const test::TemporaryFolder folder;
  test::write_safetensors(folder / "all", all);
  const WeightFile dit = WeightFile::open(folder / "all");
  EXPECT_EQ(dit.part(), ModelPart::kDit);
  EXPECT_EQ(dit.facts().ignored.size(), test::official(test::kPair, ModelPart::kVae).size());
  EXPECT_EQ(
      differences(WeightFile::open(folder / "all", ModelPart::kVae), test::official(test::kPair, ModelPart::kVae)),
      kNone);
  EXPECT_THAT(test::refusal([&] { WeightFile::open(folder / "all", ModelPart::kTextEncoder); }),
              HasSubstr("holds no text encoder"));
}

TEST(WeightFileNaming, TheTableOfEmbeddingsMayBeThereTwice) {
  const Model& model = test::official(test::kSingle, ModelPart::kTextEncoder);
  FileTensors tensors;
  for (const auto& [stored_as, name] : names(test::kSingle, "text_encoder.transformers"))
    tensors.push_back(test::stored(stored_as, model.at(name), DType::kBF16));
  FileTensor table = test::tensor_in(tensors, "shared.weight");
  table.name = "encoder.embed_tokens.weight";
  tensors.push_back(table);
  tensors.push_back(test::text("spiece_model", "a tokenizer"));
  const WeightFile twice = Written(tensors).open();
  EXPECT_EQ(differences(twice, model), kNone);
  ASSERT_NE(twice.facts().spiece_model, nullptr);
  EXPECT_EQ(twice.facts().spiece_model->shape, (Shape{11}));
  tensors.push_back(test::scalar("decoder.block.0.layer.0.layer_norm.weight", 1));
  tensors.push_back(test::scalar("lm_head.weight", 1));
  EXPECT_EQ(Written(tensors).open().facts().ignored.size(), 3u);  // with the second table
  test::tensor_in(tensors, "encoder.embed_tokens.weight").bytes[7] ^= 1;
  EXPECT_THAT(Written(tensors).refusal(), HasSubstr("differ"));
  test::remove(tensors, "encoder.embed_tokens.weight");
  test::tensor_in(tensors, "shared.weight").name = "encoder.embed_tokens.weight";
  EXPECT_EQ(differences(Written(tensors).open(), model), kNone);
}

// --- reading

/// Ranges that begin and end within blocks, rows and groups.
TEST(WeightFileRead, AnyRangeGivesTheSameValues) {
  for (const char* path : {"moe-gguf/HighNoise/Wan2.2-T2V-A14B-HighNoise-Q4_K_S.gguf",
                           "moe-comfy-quant/diffusion_models/wan2.2_t2v_low_noise_14B_mixed.safetensors",
                           "ti2v-gguf/text_encoders/umt5-xxl-encoder-Q5_1.gguf"}) {
    const WeightFile file = WeightFile::open(kFormats / path);
    for (const StoredWeight& weight : file.weights()) {
      const std::vector<float> whole = values_of(file, weight);
      const auto count = static_cast<int64_t>(whole.size());
      std::vector<float> pieces(whole.size(), -1);
      for (int64_t begin = 0; begin < count;) {
        const int64_t end = std::min(count, begin + 1 + begin * 7 % 977);
        file.read(weight, begin, end, DType::kF32, pieces.data() + begin);
        begin = end;
      }
      ASSERT_EQ(pieces, whole) << path << " " << weight.name;
    }
  }
}

TEST(WeightFileRead, Bf16IsTheF32ValueRoundedOnce) {
  const WeightFile file = WeightFile::open(kFormats / "moe-gguf/LowNoise/Wan2.2-T2V-A14B-LowNoise-Q5_1.gguf");
  for (const StoredWeight& weight : file.weights()) {
    const std::vector<float> values = values_of(file, weight);
    std::vector<BF16> rounded(values.size());
    file.read(weight.name, 0, weight.shape.count(), DType::kBF16, rounded.data());
    for (size_t i = 0; i < values.size(); ++i) ASSERT_EQ(rounded[i].bits, to_bf16(values[i]).bits) << weight.name;
  }
}

TEST(WeightFileRead, ThreadsDoNotDisturbEachOther) {
  const WeightFile file = WeightFile::open(kFormats / "moe-gguf/HighNoise/Wan2.2-T2V-A14B-HighNoise-Q4_K_S.gguf");
  std::vector<std::string> found(file.weights().size());
  std::vector<std::thread> threads;
  for (size_t first = 0; first < 4; ++first)
    threads.emplace_back([&, first] {
      for (size_t i = first; i < found.size(); i += 4) found[i] = digest_of(values_of(file, file.weights()[i]));
    });
  for (std::thread& thread : threads) thread.join();
  for (size_t i = 0; i < found.size(); ++i) EXPECT_EQ(found[i], digest_of(values_of(file, file.weights()[i])));
}

/// A tensor that begins at an address unfit for its type.
TEST(WeightFileRead, UnalignedTensorsAreRead) {
  const Model& model = test::official(test::kSingle, ModelPart::kTextEncoder);
  FileTensors tensors{test::text("spiece_model", "odd")};
  for (const auto& [stored_as, name] : names(test::kSingle, "text_encoder.transformers"))
    tensors.push_back(test::stored(stored_as, model.at(name), DType::kF32));
  EXPECT_EQ(differences(Written(tensors).open(), model), kNone);
}

/// What is checked can be seen to fail: each of these files is well-formed, and wrong.
TEST(WeightFileRead, WrongValuesAreSeen) {
  const Model& model = test::official(test::kSingle, ModelPart::kDit);
  test::GgufSpec spec = gguf_of(model, test::kGgufBF16, test::kGgufQ8_0);
  test::GgufTensor *q = nullptr, *k = nullptr;
  for (test::GgufTensor& tensor : spec.tensors) {
    if (tensor.name == "blocks.0.self_attn.q.weight") q = &tensor;
    if (tensor.name == "blocks.0.self_attn.k.weight") k = &tensor;
  }
  std::swap(q->data, k->data);
  EXPECT_EQ(differences(Written(spec).open(), "ti2v-gguf/Wan2.2-TI2V-5B-Q8_0.gguf"),
            (std::vector<std::string>{k->name, q->name}));
}

}  // namespace
}  // namespace wan
