// Weights with LoRAs merged in have the values that other programs computed, whatever the base is stored as.
#include "model/lora_patches.h"

#include <cmath>
#include <fstream>
#include <limits>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "builders.h"
#include "lora_files.h"

namespace wan {
namespace {

namespace fs = std::filesystem;
using test::add_pair;
using test::FileTensors;
using test::kFormats;
using test::Model;
using test::single_weights;
using test::Values;
using test::WrittenLora;
using ::testing::HasSubstr;

constexpr int64_t kWidth = 256;
constexpr double kRoundoff = 0x1p-24;

const Model& single() { return test::official(test::kSingle, ModelPart::kDit); }

std::vector<float> patched(const WeightPatches& patches, const std::string& name, std::vector<float> values) {
  patches.apply(name, 0, static_cast<int64_t>(values.size()), values.data());
  return values;
}

// --- the fixtures

const nlohmann::json& root(const char* file) {
  static std::map<std::string, nlohmann::json> read;
  nlohmann::json& document = read[file];
  if (document.is_null()) document = nlohmann::json::parse(std::ifstream(kFormats / file));
  return document;
}

std::vector<std::string> fixture_cases() {
  std::vector<std::string> names;
  for (const auto& [name, tensors] : root("tensors.json").at("merged").items()) names.push_back(name);
  return names;
}

const nlohmann::json& fixture(const std::string& name) {
  for (const auto& each : root("formats.json").at("cases"))
    if (each.at("name") == name) return each;
  throw std::out_of_range(name);
}

bool is_power_of_two(double value) {
  int exponent = 0;
  return std::abs(std::frexp(value, &exponent)) == 0.5;
}

/// Factors of the fixtures are multiples of 1/64 up to 4/64: with a power of two as strength and scale a product is
/// exact and the sum is rounded once, so that any right order gives the same bits. Else three more roundings of the
/// added part are possible (strength times scale, the product with it, the sum).
void expect_values(const nlohmann::json& expected, const std::vector<float>& values, bool is_exact,
                   const std::string& name) {
  if (is_exact) {
    EXPECT_EQ(expected.at("sha256_f32"), test::digest_of(values)) << name;
    return;
  }
  double sum = 0, squares = 0;
  for (const float value : values) {
    sum += value;
    squares += double{value} * value;
  }
  const double l2 = expected.at("l2").get<double>(), n = static_cast<double>(values.size());
  EXPECT_NEAR(std::sqrt(squares), l2, 1e-6 * l2) << name;
  EXPECT_NEAR(sum, expected.at("sum").get<double>(), 4 * kRoundoff * std::sqrt(n) * l2) << name;
  for (const auto& probe : expected.at("probes")) {
    const double want = probe.at(1).get<double>();
    EXPECT_NEAR(values.at(probe.at(0).get<size_t>()), want, 1e-6 * expected.at("absmax").get<double>()) << name;
  }
}

struct Loaded {
  std::vector<std::unique_ptr<Lora>> files;
  WeightPatches patches;
  bool is_exact = true;
  int64_t ignored = 0, said_ignored = 0;
};

/// The LoRAs of a case that are for `expert`, "" for the only one.
Loaded load(const nlohmann::json& all, const std::vector<ExpectedWeight>& weights, const std::string& expert) {
  Loaded loaded;
  for (const auto& each : all.at("lora")) {
    if (each.value("expert", "") != expert) continue;
    const fs::path path = kFormats / each.at("file").get<std::string>();
    loaded.files.push_back(std::make_unique<Lora>(Lora::open(path, weights, LoraUnmatched::kRefused)));
    const double strength = each.at("strength");
    const LoraExpert which = expert.empty() ? LoraExpert::kAll : expert == "low" ? LoraExpert::kLow : LoraExpert::kHigh;
    loaded.patches.add(*loaded.files.back(), static_cast<float>(strength), which);
    loaded.is_exact = loaded.is_exact && is_power_of_two(strength);
    loaded.ignored += loaded.files.back()->facts().ignored;
    loaded.said_ignored += each.value("ignored_keys", 0);
  }
  return loaded;
}

class MergedFixture : public ::testing::TestWithParam<std::string> {};

TEST_P(MergedFixture, HasTheValuesThatOthersComputed) {
  const auto& expected = root("tensors.json").at("merged").at(GetParam());
  const bool is_pair = fixture(GetParam()).at("model") == "moe";
  size_t seen = 0;
  for (const std::string& expert : is_pair ? std::vector<std::string>{"high", "low"} : std::vector<std::string>{""}) {
    const Model& model = is_pair ? test::official(test::kPair, ModelPart::kDit, expert) : single();
    const std::vector<ExpectedWeight> weights = test::weights_of(model);
    const Loaded loaded = load(fixture(GetParam()), weights, expert);
    EXPECT_EQ(loaded.ignored, loaded.said_ignored);
    for (const auto& [name, values] : model) {
      const auto at = expected.find(expert.empty() ? name : expert + "." + name);
      EXPECT_EQ(loaded.patches.has(name), at != expected.end()) << name;
      if (at == expected.end()) continue;
      ++seen;
      expect_values(*at, patched(loaded.patches, name, values.values), loaded.is_exact, name);
    }
  }
  EXPECT_EQ(seen, expected.size());
}

INSTANTIATE_TEST_SUITE_P(Formats, MergedFixture, ::testing::ValuesIn(fixture_cases()), [](const auto& each) {
  std::string name = each.param;
  std::replace_if(
      name.begin(), name.end(), [](char c) { return std::isalnum(static_cast<unsigned char>(c)) == 0; }, '_');
  return name;
});

TEST(MergedFixtures, AreAllThere) { EXPECT_EQ(fixture_cases().size(), 13u); }

// --- quantised bases

/// A file's weights, decoded and patched: of one digest for all of them, in the order of their names.
std::string digest_of_all(const WeightFile& file, const WeightPatches& patches) {
  std::vector<float> all;
  for (const StoredWeight& weight : file.weights()) {
    const std::vector<float> values = patched(patches, weight.name, test::values_of(file, weight));
    all.insert(all.end(), values.begin(), values.end());
  }
  return test::digest_of(all);
}

WeightPatches patches_of(const Lora& lora, float strength = 1) {
  WeightPatches patches;
  patches.add(lora, strength);
  return patches;
}

/// Digests by the fixtures' own numpy program (make_formats.py, the cases of these names): all merged tensors.
TEST(LoraOnQuantised, Q8_0IsDecodedThenPatched) {
  const WeightFile base =
      test::Written(test::GgufSpec{.keys = {test::gguf_string("general.architecture", "wan")},
                                   .tensors = test::gguf_tensors(single(), test::kGgufBF16, test::kGgufQ8_0)})
          .open();
  const Lora lora = Lora::open(kFormats / "ti2v-lora/kohya_lora_unet_alpha.safetensors", single_weights());
  EXPECT_EQ(digest_of_all(base, patches_of(lora)), "b06eed4ee847b34cbbf69168ce0cb6cd4a708e534d33b46576f713124203072e");
}

TEST(LoraOnQuantised, ScaledFp8IsDecodedThenPatched) {
  FileTensors tensors;
  for (const auto& [name, values] : single()) {
    if (!test::is_linear(name, values)) {
      tensors.push_back(test::stored(name, values, DType::kBF16));
      continue;
    }
    const test::Quantised quantised = test::float8_by_tensor(name, values, DType::kF8E4M3);
    tensors.push_back(quantised.values);
    tensors.push_back(quantised.scale);
  }
  const WeightFile base = test::Written(tensors).open();
  const Lora lora = Lora::open(kFormats / "ti2v-lora/peft_diffusion_model.safetensors", single_weights());
  EXPECT_EQ(digest_of_all(base, patches_of(lora)), "5d9f3f22dab8a0cfc2f79043ec0b3f7582d8bc5461c699ae0e477d128d2ca92e");
}

// --- arithmetic

FileTensors one_pair(const std::string& module, int64_t out, int64_t in, int64_t rank, int seed = 1) {
  FileTensors tensors;
  add_pair(tensors, module + ".lora_A.weight", module + ".lora_B.weight", out, in, rank, seed);
  return tensors;
}

/// Any way of cutting a weight into ranges: within a row, across rows, single values.
TEST(WeightPatches, ValuesDoNotDependOnRanges) {
  FileTensors tensors = one_pair("blocks.0.ffn.2", kWidth, 512, 5);
  tensors.push_back(test::small_tensor("blocks.0.ffn.2.diff", {kWidth, 512}, 3));
  tensors.push_back(test::scalar("blocks.0.ffn.2.alpha", 0.3f));
  const Lora lora = WrittenLora(tensors).open();
  const WeightPatches patches = patches_of(lora, 0.7f);
  const std::string name = "blocks.0.ffn.2.weight";
  const std::vector<float>& base = single().at(name).values;
  const std::vector<float> whole = patched(patches, name, base);
  EXPECT_NE(whole, base);
  const auto count = static_cast<int64_t>(base.size());
  for (const int64_t step : {1, 3, 511, 512, 513, 2049, 70000}) {
    std::vector<float> pieces = base;
    const int64_t begin = step < 4 ? count - 700 * step : 0;  // single values of the last rows alone: each costs a pass
    if (begin > 0) std::copy_n(whole.begin(), begin, pieces.begin());
    for (int64_t at = begin; at < count; at += step)
      patches.apply(name, at, std::min(count, at + step), pieces.data() + at);
    ASSERT_EQ(pieces, whole) << step;
  }
}

/// Against double: `rank` products and sums, the factor, its product, and the sum with the base.
TEST(WeightPatches, ProductsAreWithinTheRoundingOfFloats) {
  constexpr int64_t kRank = 64, kOut = 512;
  FileTensors tensors;
  std::vector<float> down, up;
  for (int64_t i = 0; i < kRank * kWidth; ++i) down.push_back(std::sin(static_cast<float>(i)) * 0.1f);
  for (int64_t i = 0; i < kOut * kRank; ++i) up.push_back(std::cos(static_cast<float>(3 * i)) * 0.1f);
  tensors.push_back(test::stored("blocks.1.ffn.0.lora_A.weight", {{kRank, kWidth}, down}, DType::kF32));
  tensors.push_back(test::stored("blocks.1.ffn.0.lora_B.weight", {{kOut, kRank}, up}, DType::kF32));
  tensors.push_back(test::scalar("blocks.1.ffn.0.alpha", 8));
  const Lora lora = WrittenLora(tensors).open();
  const std::string name = "blocks.1.ffn.0.weight";
  const std::vector<float>& base = single().at(name).values;
  const std::vector<float> got = patched(patches_of(lora, -0.7f), name, base);
  const double factor = double{-0.7f} * 8 / kRank;
  for (int64_t row = 0; row < kOut; ++row)
    for (int64_t column = 0; column < kWidth; ++column) {
      double product = 0, size = 0;
      for (int64_t k = 0; k < kRank; ++k) {
        const double term =
            double{up[static_cast<size_t>(row * kRank + k)]} * down[static_cast<size_t>(k * kWidth + column)];
        product += term;
        size += std::abs(term);
      }
      const auto at = static_cast<size_t>(row * kWidth + column);
      const double want = base[at] + factor * product;
      ASSERT_NEAR(got[at], want, kRoundoff * (std::abs(want) + std::abs(factor) * (kRank + 3) * size) * 1.001) << at;
    }
}

TEST(WeightPatches, StrengthsAddUpInOrderAndZeroIsNothing) {
  const Lora lora = Lora::open(kFormats / "ti2v-lora/lightx2v_diff_b_m.safetensors", single_weights());
  WeightPatches none;
  none.add(lora, 0);
  EXPECT_TRUE(none.empty());
  EXPECT_EQ(none.applied().size(), 1u);
  EXPECT_EQ(none.applied().front().weights, 0);
  WeightPatches both;
  both.add(lora, 0.5f);
  both.add(lora, -0.5f);
  EXPECT_EQ(both.applied().back().weights, 60);
  EXPECT_EQ(both.terms("head.modulation").size(), 2u);
  EXPECT_EQ(both.terms("head.modulation")[1].factor, -0.5f);
  for (const char* name : {"blocks.0.ffn.0.weight", "blocks.0.modulation", "blocks.1.norm3.bias"}) {
    const std::vector<float> zeros(single().at(name).values.size());
    EXPECT_EQ(patched(both, name, zeros), zeros) << name;
    EXPECT_NE(patched(patches_of(lora, 0.5f), name, zeros), zeros) << name;
  }
  for (const float bad : {std::numeric_limits<float>::infinity(), std::numeric_limits<float>::quiet_NaN()}) try {
      none.add(lora, bad);
      FAIL() << bad;
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::kUsage);
      EXPECT_THAT(error.what(), HasSubstr("must be a finite number"));
    }
}

/// A layer with factors and a difference has both; ComfyUI keeps the difference alone.
TEST(WeightPatches, FactorsAndDifferenceOfOneWeightAreBothAdded) {
  FileTensors tensors = one_pair("head.head", 192, kWidth, 2);
  const Lora product = WrittenLora(tensors).open();
  const test::FileTensor difference = test::small_tensor("head.head.diff", {192, kWidth}, 9);
  const Lora alone = WrittenLora({difference}).open();
  tensors.push_back(difference);
  const Lora both = WrittenLora(tensors).open();
  const std::string name = "head.head.weight";
  const std::vector<float> zeros(192 * kWidth);
  std::vector<float> sum = patched(patches_of(product, 0.5f), name, zeros);
  const std::vector<float> differences = patched(patches_of(alone, 0.5f), name, zeros);
  for (size_t i = 0; i < sum.size(); ++i) sum[i] += differences[i];
  EXPECT_EQ(patched(patches_of(both, 0.5f), name, zeros), sum);
}

/// peft scales what comes out of B, its bias included; other differences know no alpha.
TEST(WeightPatches, TheBiasOfAFactorIsScaledAndOthersAreNot) {
  FileTensors tensors = one_pair("blocks.0.ffn.0", 512, kWidth, 4);
  tensors.push_back(test::scalar("blocks.0.ffn.0.alpha", 1));
  tensors.push_back(test::small_tensor("blocks.0.ffn.0.lora_B.bias", {512}, 1));
  tensors.push_back(test::small_tensor("blocks.1.ffn.0.diff_b", {512}, 1));
  const Lora lora = WrittenLora(tensors).open();
  const WeightPatches patches = patches_of(lora, 2);
  std::vector<float> plain = test::small_values(512, 1), scaled = plain;
  for (float& value : plain) value *= 2;
  for (float& value : scaled) value *= 0.5f;
  EXPECT_EQ(patched(patches, "blocks.0.ffn.0.bias", std::vector<float>(512)), scaled);
  EXPECT_EQ(patched(patches, "blocks.1.ffn.0.bias", std::vector<float>(512)), plain);
}

TEST(WeightPatches, ConvolutionsArePatchedInTheirOrder) {
  FileTensors tensors;
  tensors.push_back(test::small_tensor("patch_embedding.lora_down.weight", {3, 48, 1, 2, 2}, 1));
  tensors.push_back(test::small_tensor("patch_embedding.lora_up.weight", {kWidth, 3, 1, 1, 1}, 2));
  const Lora lora = WrittenLora(tensors).open();
  const std::vector<float> down = test::small_values(3 * 192, 1), up = test::small_values(kWidth * 3, 2);
  std::vector<float> want;
  for (size_t row = 0; row < kWidth; ++row)
    for (size_t column = 0; column < 192; ++column) {
      float sum = 0;
      for (size_t k = 0; k < 3; ++k) sum += up[row * 3 + k] * down[k * 192 + column];
      want.push_back(sum);
    }
  EXPECT_EQ(patched(patches_of(lora), "patch_embedding.weight", std::vector<float>(kWidth * 192)), want);
}

TEST(WeightPatches, ValuesThatAreNoNumbersAreNamed) {
  const std::string name = "blocks.0.self_attn.q.weight";
  FileTensors tensors = one_pair("blocks.0.self_attn.q", kWidth, kWidth, 2);
  Values down{{2, kWidth}, test::small_values(2 * kWidth, 1)};
  down.values[300] = std::numeric_limits<float>::quiet_NaN();
  tensors[0] = test::stored(tensors[0].name, down, DType::kF32);
  std::vector<float> values(kWidth * kWidth);
  const auto refusal = [&](const WrittenLora& file, float strength) {
    const Lora lora = file.open();
    return test::refusal([&] { patches_of(lora, strength).apply(name, 0, kWidth * kWidth, values.data()); });
  };
  const WrittenLora damaged(tensors);
  EXPECT_THAT(refusal(damaged, 1), ::testing::AllOf(HasSubstr(damaged.path().string()), HasSubstr(tensors[0].name),
                                                    HasSubstr("at value 300 of 512")));
  down.values[300] = 3e38f;
  tensors[0] = test::stored(tensors[0].name, down, DType::kF32);
  EXPECT_THAT(refusal(WrittenLora(tensors), 1e30f), HasSubstr("too large for a number"));
}

TEST(WeightPatches, ExpertsTakeWhatIsTheirs) {
  FileTensors tensors = one_pair("transformer.blocks.0.attn1.to_q", kWidth, kWidth, 2);
  for (const test::FileTensor& each : one_pair("transformer_2.blocks.0.attn1.to_k", kWidth, kWidth, 2))
    tensors.push_back(each);
  const Lora lora = WrittenLora(tensors).open();
  WeightPatches high, low, only;
  high.add(lora, 1, LoraExpert::kHigh);
  low.add(lora, 1, LoraExpert::kLow);
  EXPECT_TRUE(high.has("blocks.0.self_attn.q.weight"));
  EXPECT_FALSE(high.has("blocks.0.self_attn.k.weight"));
  EXPECT_TRUE(low.has("blocks.0.self_attn.k.weight"));
  EXPECT_FALSE(low.has("blocks.0.self_attn.q.weight"));
  EXPECT_EQ(low.applied().front().expert, LoraExpert::kLow);
  EXPECT_EQ(low.applied().front().weights, 1);
  EXPECT_THAT(test::refusal([&] { only.add(lora, 1); }), HasSubstr("this model has one"));
  const Lora second = WrittenLora(one_pair("transformer_2.blocks.0.attn1.to_k", kWidth, kWidth, 2)).open();
  EXPECT_THAT(test::refusal([&] { high.add(second, 1, LoraExpert::kHigh); }),
              HasSubstr("nothing in it is for the high-noise expert"));
}

TEST(WeightPatches, ThreadsDoNotDisturbEachOther) {
  const Lora lora = Lora::open(kFormats / "ti2v-lora/lightx2v_diff_b_m.safetensors", single_weights());
  const WeightPatches patches = patches_of(lora, 0.7f);
  std::vector<std::pair<std::string, std::vector<float>>> jobs;
  for (const auto& [name, values] : single())
    if (patches.has(name)) jobs.emplace_back(name, values.values);
  std::vector<std::thread> threads;
  for (size_t first = 0; first < 4; ++first)
    threads.emplace_back([&, first] {
      for (size_t i = first; i < jobs.size(); i += 4) jobs[i].second = patched(patches, jobs[i].first, jobs[i].second);
    });
  for (std::thread& thread : threads) thread.join();
  for (const auto& [name, values] : jobs) EXPECT_EQ(values, patched(patches, name, single().at(name).values)) << name;
}

}  // namespace
}  // namespace wan
