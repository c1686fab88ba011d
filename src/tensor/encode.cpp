// One function a block type, each with the fields in the order that blocks.cpp reads them.
#include "tensor/encode.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstring>
#include <string>

#include "base/error.h"

namespace wan {
namespace {

using Byte = uint8_t;

/// The nearest whole number, the even one of two, of a value below 2^22 in magnitude: without a call, so that loops
/// vectorise.
float nearest(float value) {
  constexpr float kUnits = 0x1.8p23f;  // its last place is one
  return (value + kUnits) - kUnits;
}

/// The smallest float16 that is not below `value`, which is not negative.
F16 half_not_below(float value) {
  F16 half = to_f16(value);
  if (to_float(half) < value) ++half.bits;
  return half;
}

/// `value / unit` rounded up to a whole number of at most `most`; 0 where the unit is 0.
int steps_not_below(float value, float unit, int most) {
  return unit > 0 ? std::min(most, static_cast<int>(std::ceil(value / unit))) : 0;
}

void put(Byte* at, F16 value) { std::memcpy(at, &value.bits, sizeof value.bits); }

float inverse_of(float step) { return step > 0 ? 1 / step : 0; }

float largest_magnitude(const float* values, int count) {
  float largest = 0;
  for (int i = 0; i < count; ++i) largest = std::max(largest, std::abs(values[i]));
  return largest;
}

/// The number of steps that `value` is from zero, from -most to most.
int signed_steps(float value, float inverse, float most) {
  return static_cast<int>(std::clamp(nearest(value * inverse), -most, most));
}

/// d, qs[32].
void encode_q8_0(const float* values, Byte* block) {
  constexpr float kMost = 127;
  const F16 d = half_not_below(largest_magnitude(values, 32) / kMost);
  const float inverse = inverse_of(to_float(d));
  put(block, d);
  for (int i = 0; i < 32; ++i)
    block[2 + i] = static_cast<Byte>(static_cast<int8_t>(signed_steps(values[i], inverse, kMost)));
}

/// d, dmin, scales[12], qs[128]. A sub-block's values begin at -dmin times its minimum, which is at or below its least
/// one and never above zero.
void encode_q4_k(const float* values, Byte* block) {
  constexpr int kSubBlocks = 8, kValues = 32, kMostFactor = 63;
  constexpr float kMost = 15;
  std::array<float, kSubBlocks> below, steps;
  for (size_t j = 0; j < kSubBlocks; ++j) {
    const float* from = values + kValues * j;
    below[j] = -std::min(0.0f, *std::min_element(from, from + kValues));
  }
  const F16 dmin = half_not_below(*std::max_element(below.begin(), below.end()) / kMostFactor);
  std::array<int, kSubBlocks> scales, minima;
  for (size_t j = 0; j < kSubBlocks; ++j) {
    const float* from = values + kValues * j;
    minima[j] = steps_not_below(below[j], to_float(dmin), kMostFactor);
    below[j] = to_float(dmin) * static_cast<float>(minima[j]);
    steps[j] = std::max(0.0f, *std::max_element(from, from + kValues) + below[j]) / kMost;
  }
  const F16 d = half_not_below(*std::max_element(steps.begin(), steps.end()) / kMostFactor);
  for (size_t j = 0; j < kSubBlocks; ++j) scales[j] = steps_not_below(steps[j], to_float(d), kMostFactor);

  put(block, d);
  put(block + 2, dmin);
  for (size_t j = 0; j < kSubBlocks / 2; ++j) {  // six bits each: the first four whole, of the last four in two parts
    const int later_scale = scales[j + 4], later_minimum = minima[j + 4];
    block[4 + j] = static_cast<Byte>(scales[j] | later_scale >> 4 << 6);
    block[8 + j] = static_cast<Byte>(minima[j] | later_minimum >> 4 << 6);
    block[12 + j] = static_cast<Byte>((later_scale & 15) | (later_minimum & 15) << 4);
  }
  Byte* qs = block + 16;
  for (size_t j = 0; j < kSubBlocks; ++j) {
    const float inverse = inverse_of(to_float(d) * static_cast<float>(scales[j]));
    for (size_t l = 0; l < kValues; ++l) {
      const float q = std::clamp(nearest((values[kValues * j + l] + below[j]) * inverse), 0.0f, kMost);
      Byte& pair = qs[32 * (j / 2) + l];
      pair = static_cast<Byte>(j % 2 == 0 ? static_cast<int>(q) : pair | static_cast<int>(q) << 4);
    }
  }
}

/// ql[128], qh[64], scales[16], d.
void encode_q6_k(const float* values, Byte* block) {
  constexpr int kSubBlocks = 16, kValues = 16, kMostFactor = 127;
  constexpr float kMost = 31;
  std::array<float, kSubBlocks> steps;
  for (size_t j = 0; j < kSubBlocks; ++j) steps[j] = largest_magnitude(values + kValues * j, kValues) / kMost;
  const F16 d = half_not_below(*std::max_element(steps.begin(), steps.end()) / kMostFactor);
  std::memset(block, 0, 192);
  put(block + 208, d);
  for (size_t j = 0; j < kSubBlocks; ++j) {
    const int scale = steps_not_below(steps[j], to_float(d), kMostFactor);
    const float inverse = inverse_of(to_float(d) * static_cast<float>(scale));
    block[192 + j] = static_cast<Byte>(scale);
    const size_t half = j / 8, quarter = j % 8 / 2, first = j % 2 * 16;
    Byte* ql = block + 64 * half + 32 * (quarter % 2) + first;
    Byte* qh = block + 128 + 32 * half + first;
    for (size_t l = 0; l < kValues; ++l) {
      const int q = 32 + signed_steps(values[kValues * j + l], inverse, kMost);
      ql[l] = static_cast<Byte>(ql[l] | (q & 15) << 4 * (quarter / 2));
      qh[l] = static_cast<Byte>(qh[l] | q >> 4 << 2 * quarter);
    }
  }
}

using Encoder = void (*)(const float* values, Byte* block);

/// nullptr for a type that is only read.
Encoder encoder_of(BlockType type) {
  switch (type) {
    case BlockType::kQ8_0: return encode_q8_0;
    case BlockType::kQ4K: return encode_q4_k;
    case BlockType::kQ6K: return encode_q6_k;
    default: return nullptr;
  }
}

}  // namespace

F16 to_f16(float value) {
  const uint32_t bits = std::bit_cast<uint32_t>(value);
  const uint32_t sign = bits >> 16 & 0x8000u, magnitude = bits & 0x7fffffffu;
  if (magnitude > 0x7f800000u) return {static_cast<uint16_t>(sign | 0x7e00u)};
  if (magnitude >= 0x477ff000u) return {static_cast<uint16_t>(sign | 0x7c00u)};  // 65520: half a step beyond 65504
  if (magnitude < 0x38800000u) {                                                 // 2^-14: subnormal, in steps of 2^-24
    const float steps = nearest(std::bit_cast<float>(magnitude) * 0x1p24f);
    return {static_cast<uint16_t>(sign | static_cast<uint32_t>(steps))};
  }
  const uint32_t rounded = magnitude + 0xfffu + (magnitude >> 13 & 1u);  // a carry goes into the exponent as it should
  return {static_cast<uint16_t>(sign | (rounded - 0x38000000u) >> 13)};
}

uint8_t to_e4m3(float value) {
  const uint32_t bits = std::bit_cast<uint32_t>(value);
  const uint32_t sign = bits >> 24 & 0x80u;
  const float magnitude = std::min(std::abs(value), 448.0f);
  if (magnitude < 0x1p-6f)  // subnormal, in steps of 2^-9
    return static_cast<uint8_t>(sign | static_cast<uint32_t>(nearest(magnitude * 0x1p9f)));
  const uint32_t wide = std::bit_cast<uint32_t>(magnitude);
  const uint32_t rounded = wide + 0x7ffffu + (wide >> 20 & 1u);
  return static_cast<uint8_t>(sign | (rounded - 0x3c000000u) >> 20);  // an exponent of -6 becomes 1
}

bool can_encode(BlockType type) { return encoder_of(type) != nullptr; }

void encode_blocks(BlockType type, const float* values, int64_t count, std::byte* blocks) {
  const Encoder encode = encoder_of(type);
  const BlockTraits& traits = traits_of(type);
  require_op(encode != nullptr, "blocks of " + std::string(traits.name) + " are read, not written");
  auto* to = reinterpret_cast<Byte*>(blocks);
  for (int64_t i = 0; i < count; ++i) encode(values + i * traits.values, to + i * static_cast<int64_t>(traits.bytes));
}

}  // namespace wan
