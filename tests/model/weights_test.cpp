// Conversions of weights agree with the scalar definitions for every input, and random weights depend on name and
// index alone.
#include "model/weights.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstring>
#include <numeric>

namespace wan {
namespace {

TEST(ConvertElements, RoundsEveryClassOfFloatAsToBf16Does) {
  // Every upper half of a float, with lower halves below, at and above the tie.
  std::vector<float> from;
  for (uint32_t upper = 0; upper < 0x10000; ++upper)
    for (uint32_t lower : {0x0000u, 0x0001u, 0x7fffu, 0x8000u, 0x8001u, 0xffffu})
      from.push_back(std::bit_cast<float>(upper << 16 | lower));
  std::vector<BF16> to(from.size());
  convert_elements(from.data(), DType::kF32, static_cast<int64_t>(from.size()), DType::kBF16, to.data());
  for (size_t i = 0; i < from.size(); ++i) ASSERT_EQ(to[i].bits, to_bf16(from[i]).bits) << from[i];
}

TEST(ConvertElements, WidensEveryHalf) {
  std::vector<uint16_t> from(0x10000);
  std::iota(from.begin(), from.end(), uint16_t{0});
  std::vector<float> to(from.size());
  convert_elements(from.data(), DType::kF16, static_cast<int64_t>(from.size()), DType::kF32, to.data());
  for (size_t i = 0; i < from.size(); ++i) {
    const float expected = half_to_float(from[i]);
    if (std::isnan(expected)) {
      ASSERT_TRUE(std::isnan(to[i])) << i;
    } else {
      ASSERT_EQ(std::bit_cast<uint32_t>(to[i]), std::bit_cast<uint32_t>(expected)) << i;
    }
  }
}

const WeightPart kPart{"blocks.0.ffn.0.weight", {50, 100}, 0, {0.5f, 0.02f}};

std::vector<float> random_values(const WeightSource& source, const WeightPart& part) {
  std::vector<float> values(static_cast<size_t>(part.shape.count()));
  source.read(part, 0, part.shape.count(), DType::kF32, values.data());
  return values;
}

TEST(RandomWeights, DoNotDependOnHowTheyAreRead) {
  const WeightSource source = WeightSource::random(7);
  const std::vector<float> whole = random_values(source, kPart);
  std::vector<float> pieces(whole.size());
  for (int64_t begin = 0; begin < 5000; begin += 333)
    source.read(kPart, begin, std::min<int64_t>(begin + 333, 5000), DType::kF32, pieces.data() + begin);
  EXPECT_EQ(pieces, whole);
}

TEST(RandomWeights, HaveTheAskedMeanAndDeviation) {
  const std::vector<float> values = random_values(WeightSource::random(7), kPart);
  double sum = 0, squares = 0;
  for (float v : values) {
    sum += v - 0.5;
    squares += (v - 0.5) * (v - 0.5);
  }
  // Of 5000 values: the mean lies within 4 deviations / sqrt(5000), the deviation within 4 / sqrt(2 * 5000) of itself.
  EXPECT_NEAR(sum / 5000, 0, 4 * 0.02 / std::sqrt(5000.0));
  EXPECT_NEAR(std::sqrt(squares / 5000), 0.02, 0.02 * 4 / std::sqrt(10000.0));
}

TEST(RandomWeights, ComponentsAndNamesAndSeedsDiffer) {
  WeightPart other = kPart;
  other.source = "blocks.1.ffn.0.weight";
  const std::vector<float> values = random_values(random_weights(Component::kDit), kPart);
  EXPECT_NE(values, random_values(random_weights(Component::kDit), other));
  EXPECT_NE(values, random_values(random_weights(Component::kLowNoiseDit), kPart));
  EXPECT_NE(values, random_values(random_weights(Component::kVae), kPart));
  EXPECT_NE(values, random_values(random_weights(Component::kDit, 1), kPart));
  EXPECT_EQ(values, random_values(WeightSource::random(kRandomWeightsSeed), kPart));
}

TEST(RandomWeights, TheTextEncodersAreThoseABf16FileHolds) {
  bool rounded = false;
  const std::vector<float> exact = random_values(WeightSource::random(kRandomWeightsSeed + 2), kPart);
  const std::vector<float> values = random_values(random_weights(Component::kTextEncoder), kPart);
  for (size_t i = 0; i < values.size(); ++i) {
    ASSERT_EQ(values[i], round_to_bf16(exact[i]));
    rounded = rounded || values[i] != exact[i];
  }
  EXPECT_TRUE(rounded);
}

}  // namespace
}  // namespace wan
