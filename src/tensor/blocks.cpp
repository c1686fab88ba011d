// One function a block type. Fields lie in the order they are read in; d, dmin and m are float16, all little-endian.
// Products are taken from the left, d first: no rounding depends on it, but the sign of a zero does.
#include "tensor/blocks.h"

#include <array>
#include <cstring>

#include "base/error.h"
#include "tensor/dtype.h"

namespace wan {
namespace {

using Byte = uint8_t;

constexpr std::array<BlockTraits, 13> kTraits{{{"none", 1, 0, 0, 0},
                                               {"Q4_0", 32, 18, 1, 0},
                                               {"Q4_1", 32, 20, 2, 0},
                                               {"Q5_0", 32, 22, 1, 0},
                                               {"Q5_1", 32, 24, 2, 0},
                                               {"Q8_0", 32, 34, 1, 0},
                                               {"Q2_K", 256, 84, 2, 80},
                                               {"Q3_K", 256, 110, 1, 108},
                                               {"Q4_K", 256, 144, 2, 0},
                                               {"Q5_K", 256, 176, 2, 0},
                                               {"Q6_K", 256, 210, 1, 208},
                                               {"IQ4_NL", 32, 18, 1, 0},
                                               {"IQ4_XS", 256, 136, 1, 0}}};

template <typename T>
T load(const Byte* at) {
  T value;
  std::memcpy(&value, at, sizeof(T));
  return value;
}

float half_at(const Byte* at) { return to_float(F16{load<uint16_t>(at)}); }

float number(int value) { return static_cast<float>(value); }

/// What the 16 codes of the IQ4 types mean.
constexpr std::array<int8_t, 16> kIq4Values{-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113};

/// Nibbles of `packed`: the low ones are the first 16 values, the high ones the last 16.
template <typename Value>
void each_nibble(const Byte* packed, float* out, Value value) {
  for (int i = 0; i < 16; ++i) {
    out[i] = value(packed[i] & 15, i);
    out[i + 16] = value(packed[i] >> 4, i + 16);
  }
}

void decode_q4_0(const Byte* block, float* out) {
  const float d = half_at(block);
  each_nibble(block + 2, out, [&](int q, int) { return d * number(q - 8); });
}

void decode_q4_1(const Byte* block, float* out) {
  const float d = half_at(block), m = half_at(block + 2);
  each_nibble(block + 4, out, [&](int q, int) { return d * number(q) + m; });
}

/// The fifth bits are one word, bit i of value i.
void decode_q5_0(const Byte* block, float* out) {
  const float d = half_at(block);
  const auto fifth = load<uint32_t>(block + 2);
  each_nibble(block + 6, out,
              [&](int q, int i) { return d * number((q | static_cast<int>(fifth >> i & 1) << 4) - 16); });
}

void decode_q5_1(const Byte* block, float* out) {
  const float d = half_at(block), m = half_at(block + 2);
  const auto fifth = load<uint32_t>(block + 4);
  each_nibble(block + 8, out, [&](int q, int i) { return d * number(q | static_cast<int>(fifth >> i & 1) << 4) + m; });
}

void decode_q8_0(const Byte* block, float* out) {
  const float d = half_at(block);
  for (int i = 0; i < 32; ++i) out[i] = d * number(static_cast<int8_t>(block[2 + i]));
}

void decode_iq4_nl(const Byte* block, float* out) {
  const float d = half_at(block);
  each_nibble(block + 2, out, [&](int q, int) { return d * number(kIq4Values[static_cast<size_t>(q)]); });
}

/// Where the 16 values of a group of Q2_K, Q3_K and Q6_K lie: a half has 32 bytes (of Q6_K's high bits), of which each
/// quarter of the half takes two bits; a group is half a quarter.
struct Group {
  int half, quarter, first;
  explicit Group(int index) : half(index / 8), quarter(index % 8 / 2), first(index % 2 * 16) {}
};

/// scales[16], qs[64], d, dmin. A scale's low nibble is the factor, its high one the offset.
void decode_q2_k(const Byte* block, float* out) {
  const float d = half_at(block + 80), dmin = half_at(block + 82);
  for (int index = 0; index < 16; ++index) {
    const Group group(index);
    const Byte* qs = block + 16 + 32 * group.half + group.first;
    const float factor = d * number(block[index] & 15), offset = dmin * number(block[index] >> 4);
    for (int l = 0; l < 16; ++l) out[16 * index + l] = factor * number(qs[l] >> 2 * group.quarter & 3) - offset;
  }
}

/// The sixteen 6-bit scales of Q3_K: low nibbles in bytes 0 .. 7, then the high two bits of four scales a byte.
int q3_k_scale(const Byte* packed, int k) {
  const int low = k < 8 ? packed[k] & 15 : packed[k - 8] >> 4;
  return low | (packed[8 + k % 4] >> 2 * (k / 4) & 3) << 4;
}

/// hmask[32], qs[64], scales[12], d. A clear bit of hmask takes 4 away.
void decode_q3_k(const Byte* block, float* out) {
  const float d = half_at(block + 108);
  for (int index = 0; index < 16; ++index) {
    const Group group(index);
    const Byte *hmask = block + group.first, *qs = block + 32 + 32 * group.half + group.first;
    const float factor = d * number(q3_k_scale(block + 96, index) - 32);
    for (int l = 0; l < 16; ++l) {
      const int high = hmask[l] >> (4 * group.half + group.quarter) & 1;
      out[16 * index + l] = factor * number((qs[l] >> 2 * group.quarter & 3) + 4 * high - 4);
    }
  }
}

struct ScaleAndMinimum {
  int scale, minimum;
};

/// Sub-block j of the twelve bytes that Q4_K and Q5_K share.
ScaleAndMinimum q4_k_scale(const Byte* b, int j) {
  if (j < 4) return {b[j] & 63, b[j + 4] & 63};
  return {(b[j + 4] & 15) | b[j - 4] >> 6 << 4, b[j + 4] >> 4 | b[j] >> 6 << 4};
}

/// d, dmin, scales[12], qs[128]: of each 32 bytes the low nibbles are one sub-block of 32, the high ones the next.
void decode_q4_k(const Byte* block, float* out) {
  const float d = half_at(block), dmin = half_at(block + 2);
  const Byte* qs = block + 16;
  for (int j = 0; j < 8; ++j) {
    const auto [scale, minimum] = q4_k_scale(block + 4, j);
    const float factor = d * number(scale), offset = dmin * number(minimum);
    for (int l = 0; l < 32; ++l) out[32 * j + l] = factor * number(qs[32 * (j / 2) + l] >> 4 * (j % 2) & 15) - offset;
  }
}

/// As Q4_K, with qh[32] before qs: bit j of qh[l] is the fifth bit of value l of sub-block j.
void decode_q5_k(const Byte* block, float* out) {
  const float d = half_at(block), dmin = half_at(block + 2);
  const Byte *qh = block + 16, *qs = block + 48;
  for (int j = 0; j < 8; ++j) {
    const auto [scale, minimum] = q4_k_scale(block + 4, j);
    const float factor = d * number(scale), offset = dmin * number(minimum);
    for (int l = 0; l < 32; ++l) {
      const int low = qs[32 * (j / 2) + l] >> 4 * (j % 2) & 15;
      out[32 * j + l] = factor * number(low | (qh[l] >> j & 1) << 4) - offset;
    }
  }
}

/// ql[128], qh[64], scales[16], d. Quarters 0 and 2 of a half share the bytes of ql, low and high nibbles; so do 1
/// and 3.
void decode_q6_k(const Byte* block, float* out) {
  const float d = half_at(block + 208);
  for (int index = 0; index < 16; ++index) {
    const Group group(index);
    const Byte* ql = block + 64 * group.half + 32 * (group.quarter % 2) + group.first;
    const Byte* qh = block + 128 + 32 * group.half + group.first;
    const float factor = d * number(static_cast<int8_t>(block[192 + index]));
    for (int l = 0; l < 16; ++l) {
      const int low = ql[l] >> 4 * (group.quarter / 2) & 15, high = qh[l] >> 2 * group.quarter & 3;
      out[16 * index + l] = factor * number((low | high << 4) - 32);
    }
  }
}

/// d, scales_h, scales_l[4], qs[128].
void decode_iq4_xs(const Byte* block, float* out) {
  const float d = half_at(block);
  const auto scales_high = load<uint16_t>(block + 2);
  for (int j = 0; j < 8; ++j) {
    const int low = block[4 + j / 2] >> 4 * (j % 2) & 15;
    const float factor = d * number((low | (scales_high >> 2 * j & 3) << 4) - 32);
    each_nibble(block + 8 + 16 * j, out + 32 * j,
                [&](int q, int) { return factor * number(kIq4Values[static_cast<size_t>(q)]); });
  }
}

using Decoder = void (*)(const Byte* block, float* out);

constexpr std::array<Decoder, 13> kDecoders{nullptr,     decode_q4_0,   decode_q4_1,  decode_q5_0, decode_q5_1,
                                            decode_q8_0, decode_q2_k,   decode_q3_k,  decode_q4_k, decode_q5_k,
                                            decode_q6_k, decode_iq4_nl, decode_iq4_xs};

}  // namespace

const BlockTraits& traits_of(BlockType type) {
  require_op(type != BlockType::kNone, "an element type has no blocks");
  return kTraits[static_cast<size_t>(type)];
}

void decode_blocks(BlockType type, const std::byte* blocks, int64_t count, float* out) {
  const BlockTraits& traits = traits_of(type);
  const Decoder decode = kDecoders[static_cast<size_t>(type)];
  const auto* from = reinterpret_cast<const Byte*>(blocks);
  for (int64_t i = 0; i < count; ++i) decode(from + i * static_cast<int64_t>(traits.bytes), out + i * traits.values);
}

}  // namespace wan
