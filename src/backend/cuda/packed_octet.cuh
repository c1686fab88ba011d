// Eight neighbouring values on their way from bytes to floats: what the decoders of packed matrices are made of.
// Codes are taken four to a word and become floats by way of 2^23 + code, whose low byte is the code: conversions run
// at a quarter of the rate. Plain C++ but for __byte_perm, here and in the decoders: a test compiles them for the host.
#pragma once

#include <cuda_fp16.h>

#include <bit>
#include <cstdint>

namespace wan::cuda {

inline constexpr int kOctet = 8;  // values that a thread decodes at once; their first column is a multiple of it

template <typename T>
__device__ inline T load(const uint8_t* from) {
  return *reinterpret_cast<const T*>(from);
}

/// Eight bytes at an even address.
__device__ inline uint2 load_eight_of_pairs(const uint8_t* from) {
  const uint32_t a = load<uint16_t>(from), b = load<uint16_t>(from + 2), c = load<uint16_t>(from + 4),
                 d = load<uint16_t>(from + 6);
  return {a | b << 16, c | d << 16};
}
/// Eight bytes at a multiple of four.
__device__ inline uint2 load_eight_of_words(const uint8_t* from) {
  return {load<uint32_t>(from), load<uint32_t>(from + 4)};
}

/// The float16 whose bits are the low 16 of `bits`.
__device__ inline float half_of(uint32_t bits) { return __half2float(__ushort_as_half(static_cast<uint16_t>(bits))); }

/// code - bias of a code below 2^23.
__device__ inline float number(uint32_t code, int bias = 0) {
  return std::bit_cast<float>(0x4b000000u | code) - static_cast<float>(0x800000 + bias);
}

/// The eight bytes of `codes`, less the bias.
template <int kBias>
__device__ inline void numbers(uint2 codes, float (&values)[kOctet]) {
#pragma unroll
  for (unsigned i = 0; i < kOctet; ++i)
    values[i] = std::bit_cast<float>(__byte_perm(i < 4 ? codes.x : codes.y, 0x4b000000u, 0x7540u + i % 4)) -
                static_cast<float>(0x800000 + kBias);
}

/// Of each byte the bits of `mask`, from bit `shift` of it on.
__device__ inline uint2 fields(uint2 bytes, unsigned shift, uint32_t mask) {
  return {bytes.x >> shift & mask, bytes.y >> shift & mask};
}
__device__ inline uint2 nibbles(uint2 bytes, unsigned shift) { return fields(bytes, shift, 0x0f0f0f0fu); }
__device__ inline uint2 joined(uint2 low, uint2 high, unsigned shift) {
  return {low.x | high.x << shift, low.y | high.y << shift};
}
/// Bit i of `bits` as bit 4 of byte i.
__device__ inline uint2 fifth_bits(uint32_t bits) {
  return {(bits & 15) * 0x02040810u & 0x10101010u, (bits >> 4 & 15) * 0x02040810u & 0x10101010u};
}

__device__ inline void multiply(float (&values)[kOctet], float factor) {
#pragma unroll
  for (float& value : values) value *= factor;
}
/// factor * value + offset.
__device__ inline void transform(float (&values)[kOctet], float factor, float offset) {
#pragma unroll
  for (float& value : values) value = factor * value + offset;
}

/// Sixteen bytes, of which a nibble names one.
struct NibbleTable {
  uint32_t words[4];
};

/// Byte i: what nibble i of `codes` names, from the lowest nibble on.
__device__ inline uint2 look_up(const NibbleTable& table, uint32_t codes) {
  const uint32_t places = codes & 0x77777777u;
  const uint32_t upper = 0x32103210u | (codes & 0x88888888u) >> 1;  // byte i of the lower or of the upper eight
  const auto half = [&](unsigned shift) {
    return __byte_perm(__byte_perm(table.words[0], table.words[1], places >> shift),
                       __byte_perm(table.words[2], table.words[3], places >> shift), upper >> shift);
  };
  return {half(0), half(16)};
}

/// The codes of the IQ4 types, plus 128.
inline constexpr NibbleTable kIq4Plus128{{0x3f2d1801u, 0x766a5d4fu, 0xa6998d81u, 0xf1d9c5b5u}};
/// The high bytes of the codes of E2M1 as float16, whose low bytes are 0.
inline constexpr NibbleTable kE2M1High{{0x3e3c3800u, 0x46444240u, 0xbebcb880u, 0xc6c4c2c0u}};

/// The low or, for a shift of 4, the high nibbles of eight bytes as values of the IQ4 types.
__device__ inline void iq4_numbers(uint2 bytes, unsigned shift, float (&values)[kOctet]) {
  const NibbleTable table = kIq4Plus128;
  const uint32_t which = shift == 0 ? 0x6420u : 0x7531u;
  const uint2 first = look_up(table, bytes.x), second = look_up(table, bytes.y);
  numbers<128>({__byte_perm(first.x, first.y, which), __byte_perm(second.x, second.y, which)}, values);
}

}  // namespace wan::cuda
