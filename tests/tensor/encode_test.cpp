// What is rounded and packed here is held against the decoders, which are held to other programs' files elsewhere.
#include "tensor/encode.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <functional>
#include <random>
#include <vector>

#include <gtest/gtest.h>

#include "base/error.h"

namespace wan {
namespace {

using Values = std::vector<float>;

/// A block's bytes.
std::vector<std::byte> packed(BlockType type, const Values& values) {
  const BlockTraits& traits = traits_of(type);
  std::vector<std::byte> blocks(values.size() / static_cast<size_t>(traits.values) * traits.bytes);
  encode_blocks(type, values.data(), static_cast<int64_t>(values.size()) / traits.values, blocks.data());
  return blocks;
}

Values decoded(BlockType type, const std::vector<std::byte>& blocks) {
  const BlockTraits& traits = traits_of(type);
  const auto count = static_cast<int64_t>(blocks.size() / traits.bytes);
  Values values(static_cast<size_t>(count * traits.values));
  decode_blocks(type, blocks.data(), count, values.data());
  return values;
}

Values there_and_back(BlockType type, const Values& values) { return decoded(type, packed(type, values)); }

float half_at(const std::byte* at) {
  return to_float(F16{static_cast<uint16_t>(std::to_integer<int>(at[0]) | std::to_integer<int>(at[1]) << 8)});
}

/// The distance between two neighbouring values of the block at `block`, for its value `index`: of ggml's layout, read
/// here once more.
float step_of(BlockType type, const std::byte* block, size_t index) {
  const auto byte = [&](size_t at) { return std::to_integer<int>(block[at]); };
  if (type == BlockType::kQ8_0) return half_at(block);
  if (type == BlockType::kQ6K)
    return half_at(block + 208) * static_cast<float>(static_cast<int8_t>(byte(192 + index / 16)));
  const size_t j = index / 32;
  const int scale = j < 4 ? byte(4 + j) & 63 : (byte(8 + j) & 15) | byte(j) >> 6 << 4;
  return half_at(block) * static_cast<float>(scale);
}

constexpr std::array kWritten{BlockType::kQ8_0, BlockType::kQ4K, BlockType::kQ6K};

/// Some blocks of values made by a function of the place.
Values made(const std::function<float(size_t)>& value, size_t blocks = 3) {
  Values values(blocks * kMostBlockValues);
  for (size_t i = 0; i < values.size(); ++i) values[i] = value(i);
  return values;
}

/// Roughly normal: a sum of twelve even values, which reaches six deviations at the most.
Values normal(float mean, float deviation) {
  std::mt19937 random(7);
  return made([&](size_t) {
    float sum = -6;
    for (int i = 0; i < 12; ++i) sum += static_cast<float>(random()) * 0x1p-32f;
    return mean + deviation * sum;
  });
}

/// What float32's rounding of a few operations adds to half a step.
constexpr float kHalf = 0.5f + 1e-4f;

TEST(EncodeBlocks, EveryValueIsWithinHalfAStep) {
  const std::vector<Values> all{
      normal(0, 0.02f),
      normal(0.5f, 0.1f),
      normal(-3, 0.5f),
      normal(0, 1e-4f),
      normal(0, 3e-8f),
      normal(0, 900),
      made([](size_t i) { return i % 37 == 0 ? -80.0f : 0.001f * static_cast<float>(i % 11); }),
      made([](size_t i) { return i % 256 == 255 ? 1.0f : 1e-6f; }),
      made([](size_t i) { return i < 300 ? -1.0f - static_cast<float>(i % 5) : 2.0f; })};
  for (const BlockType type : kWritten)
    for (size_t which = 0; which < all.size(); ++which) {
      const Values& values = all[which];
      const std::vector<std::byte> blocks = packed(type, values);
      const Values back = decoded(type, blocks);
      const BlockTraits& traits = traits_of(type);
      const auto in_block = static_cast<size_t>(traits.values);
      for (size_t i = 0; i < values.size(); ++i) {
        const float step = step_of(type, blocks.data() + i / in_block * traits.bytes, i % in_block);
        ASSERT_LE(std::abs(back[i] - values[i]), kHalf * step + 1e-6f * std::abs(values[i]))
            << traits.name << " of values " << which << ", value " << i;
      }
    }
}

/// Steps are about as short as 8, 6 and 4 bits let them be for values that reach some four and a half deviations.
TEST(EncodeBlocks, StepsAreNoLongerThanTheirRangeNeeds) {
  const Values values = normal(0, 0.02f);
  const auto longest = [&](BlockType type) {
    const std::vector<std::byte> blocks = packed(type, values);
    float step = 0;
    for (size_t i = 0; i < static_cast<size_t>(traits_of(type).values); ++i)
      step = std::max(step, step_of(type, blocks.data(), i));
    return step;
  };
  EXPECT_LT(longest(BlockType::kQ8_0), 0.09f / 127 * 1.7f);
  EXPECT_LT(longest(BlockType::kQ6K), 0.09f / 31 * 1.7f);
  EXPECT_LT(longest(BlockType::kQ4K), 0.18f / 15 * 1.7f);
}

TEST(EncodeBlocks, ValuesOnTheGridKeepTheirValue) {
  // The widest step and the largest number are there in each sub-block, as in a block that was written before.
  const Values of_q8 = made([](size_t i) { return 0.0078125f * (i % 32 == 5 ? -127.0f : static_cast<float>(i % 97)); });
  EXPECT_EQ(there_and_back(BlockType::kQ8_0, of_q8), of_q8);
  const Values of_q6 = made([](size_t i) {
    const float scale = static_cast<float>(i / 16 % 16 == 3 ? 127 : 20 + i / 16 % 16);
    return 0.001953125f * scale * (i % 16 == 9 ? 31.0f : static_cast<float>(i * 5 % 63) - 31);
  });
  EXPECT_EQ(there_and_back(BlockType::kQ6K, of_q6), of_q6);
  const Values of_q4 = made([](size_t i) {
    const size_t j = i / 32 % 8;
    const float scale = static_cast<float>(j == 6 ? 63 : 9 * j), minimum = static_cast<float>(j == 2 ? 63 : 5 * j + 1);
    const float q = i % 32 == 0 ? 0 : i % 32 == 1 ? 15 : static_cast<float>(i * 7 % 16);
    return 0.00390625f * scale * q - 0.0625f * minimum;
  });
  EXPECT_EQ(there_and_back(BlockType::kQ4K, of_q4), of_q4);
}

TEST(EncodeBlocks, ZerosConstantsAndNegativesAreWhole) {
  for (const BlockType type : kWritten) {
    const Values zeros = made([](size_t) { return 0.0f; });
    EXPECT_EQ(there_and_back(type, zeros), zeros) << traits_of(type).name;
    for (const float constant : {1.0f, -1.0f, 0.3f, -0.3f, 6e4f, -6e4f, 1e-7f}) {
      const Values values = made([&](size_t) { return constant; });
      const Values back = there_and_back(type, values);
      for (const float value : back)  // one step at the most is all there is of a range
        ASSERT_NEAR(value, constant, std::max(std::abs(constant) * 0x1p-9f, 0x1p-24f * 64)) << traits_of(type).name;
    }
    const Values negative = made([](size_t i) { return -0.5f - 0.001f * static_cast<float>(i % 256); });
    for (const float value : there_and_back(type, negative)) ASSERT_LT(value, -0.4f) << traits_of(type).name;
  }
}

TEST(EncodeBlocks, TypesThatAreOnlyReadAreRefused) {
  for (const BlockType type : kWritten) EXPECT_TRUE(can_encode(type));
  EXPECT_FALSE(can_encode(BlockType::kQ5K));
  const Values values(kMostBlockValues);
  std::array<std::byte, 512> block;
  EXPECT_THROW(encode_blocks(BlockType::kQ5K, values.data(), 1, block.data()), Error);
}

TEST(ToE4M3, IsTheNearestOfAllBytes) {
  const std::array<float, 256>& meaning = values_of_bytes(DType::kF8E4M3);
  for (int byte = 0; byte < 256; ++byte) {
    const float value = meaning[static_cast<size_t>(byte)];
    if (std::isnan(value)) continue;
    EXPECT_EQ(to_e4m3(value), byte);
  }
  for (int byte = 0; byte < 0x7e; ++byte) {
    const float low = meaning[static_cast<size_t>(byte)], high = meaning[static_cast<size_t>(byte) + 1];
    const float middle = (low + high) / 2;
    const int even = byte % 2 == 0 ? byte : byte + 1;
    EXPECT_EQ(to_e4m3(middle), even) << middle;
    EXPECT_EQ(to_e4m3(-middle), even | 0x80) << middle;
    EXPECT_EQ(to_e4m3(std::nextafter(middle, 0.0f)), byte);
    EXPECT_EQ(to_e4m3(std::nextafter(middle, 1e9f)), byte + 1);
  }
  for (const float beyond : {449.0f, 464.0f, 1e30f, INFINITY}) {
    EXPECT_EQ(to_e4m3(beyond), 0x7e);
    EXPECT_EQ(to_e4m3(-beyond), 0xfe);
  }
}

TEST(ToF16, IsTheNearestOfAllHalves) {
  for (uint32_t bits = 0; bits < 0x7c00; ++bits) {
    const float low = half_to_float(static_cast<uint16_t>(bits));
    ASSERT_EQ(to_f16(low).bits, bits);
    ASSERT_EQ(to_f16(-low).bits, bits | 0x8000);
    const float high = bits + 1 == 0x7c00 ? 65536.0f : half_to_float(static_cast<uint16_t>(bits + 1));
    const float middle = (low + high) / 2;
    ASSERT_EQ(to_f16(middle).bits, bits % 2 == 0 ? bits : bits + 1) << middle;
    ASSERT_EQ(to_f16(std::nextafter(middle, 0.0f)).bits, bits) << middle;
    ASSERT_EQ(to_f16(std::nextafter(middle, 1e9f)).bits, bits + 1) << middle;
  }
  EXPECT_EQ(to_f16(INFINITY).bits, 0x7c00);
  EXPECT_EQ(to_f16(-1e30f).bits, 0xfc00);
  EXPECT_TRUE(std::isnan(to_float(to_f16(NAN))));
}

}  // namespace
}  // namespace wan
