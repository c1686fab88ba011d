// What eight neighbouring values of each element type are, and one alone: the bits of tensor/packed.cpp. Forms as in
// packed_blocks.cuh.
#pragma once

#include <cuda_fp8.h>

#include "backend/cuda/packed_octet.cuh"
#include "tensor/dtype.h"

namespace wan::cuda {

__device__ inline float e4m3_of(uint8_t byte) { return half_of(__nv_cvt_fp8_to_halfraw(byte, __NV_E4M3).x); }
/// 2^(byte - 127), 0 for 0 and NaN for 255.
__device__ inline float e8m0_of(uint8_t byte) {
  return std::bit_cast<float>(byte == 255 ? 0x7fc00000u : uint32_t{byte} << 23);
}

__device__ inline void halves_of(uint32_t pair, float& first, float& second) {
  first = half_of(pair & 0xffffu);
  second = half_of(pair >> 16);
}
/// Bytes that are the high ones of float16 with 0 below them.
__device__ inline void high_halves_of(uint2 bytes, float (&values)[kOctet]) {
#pragma unroll
  for (int i = 0; i < 2; ++i) {
    const uint32_t word = i == 0 ? bytes.x : bytes.y;
    halves_of(__byte_perm(word, 0, 0x1404), values[4 * i], values[4 * i + 1]);
    halves_of(__byte_perm(word, 0, 0x3424), values[4 * i + 2], values[4 * i + 3]);
  }
}

/// `one` gives a single value, for columns that do not come in octets.
template <DType kType>
struct ElementForm;

template <>
struct ElementForm<DType::kF32> {
  struct Raw {
    float4 first, second;
  };
  static __device__ Raw fetch(const uint8_t* row, uint32_t column) {
    const uint8_t* from = row + sizeof(float) * size_t{column};
    return {load<float4>(from), load<float4>(from + 16)};
  }
  static __device__ void decode(const Raw& raw, uint32_t, float (&values)[kOctet]) {
    const float all[kOctet] = {raw.first.x,  raw.first.y,  raw.first.z,  raw.first.w,
                               raw.second.x, raw.second.y, raw.second.z, raw.second.w};
#pragma unroll
    for (int i = 0; i < kOctet; ++i) values[i] = all[i];
  }
  static __device__ float one(const uint8_t* row, uint32_t column) {
    return load<float>(row + sizeof(float) * size_t{column});
  }
};

template <>
struct ElementForm<DType::kF16> {
  struct Raw {
    uint4 pairs;
  };
  static __device__ Raw fetch(const uint8_t* row, uint32_t column) { return {load<uint4>(row + 2 * size_t{column})}; }
  static __device__ void decode(const Raw& raw, uint32_t, float (&values)[kOctet]) {
    const uint32_t pairs[] = {raw.pairs.x, raw.pairs.y, raw.pairs.z, raw.pairs.w};
#pragma unroll
    for (int i = 0; i < kOctet / 2; ++i) halves_of(pairs[i], values[2 * i], values[2 * i + 1]);
  }
  static __device__ float one(const uint8_t* row, uint32_t column) {
    return half_of(load<uint16_t>(row + 2 * size_t{column}));
  }
};

template <>
struct ElementForm<DType::kBF16> {
  struct Raw {
    uint4 pairs;
  };
  static __device__ Raw fetch(const uint8_t* row, uint32_t column) { return {load<uint4>(row + 2 * size_t{column})}; }
  static __device__ void decode(const Raw& raw, uint32_t, float (&values)[kOctet]) {
    const uint32_t pairs[] = {raw.pairs.x, raw.pairs.y, raw.pairs.z, raw.pairs.w};
#pragma unroll
    for (int i = 0; i < kOctet / 2; ++i) {
      values[2 * i] = std::bit_cast<float>(pairs[i] << 16);
      values[2 * i + 1] = std::bit_cast<float>(pairs[i] & 0xffff0000u);
    }
  }
  static __device__ float one(const uint8_t* row, uint32_t column) {
    return std::bit_cast<float>(uint32_t{load<uint16_t>(row + 2 * size_t{column})} << 16);
  }
};

struct EightBytes {
  uint2 bytes;
};

template <>
struct ElementForm<DType::kF8E4M3> {
  using Raw = EightBytes;
  static __device__ Raw fetch(const uint8_t* row, uint32_t column) { return {load<uint2>(row + column)}; }
  static __device__ void decode(const Raw& raw, uint32_t, float (&values)[kOctet]) {
#pragma unroll
    for (int i = 0; i < kOctet / 2; ++i) {
      const uint32_t word = i < 2 ? raw.bytes.x : raw.bytes.y;
      const auto pair = static_cast<uint16_t>(word >> i % 2 * 16);
      const __half2_raw halves = __nv_cvt_fp8x2_to_halfraw2(pair, __NV_E4M3);
      values[2 * i] = half_of(halves.x), values[2 * i + 1] = half_of(halves.y);
    }
  }
  static __device__ float one(const uint8_t* row, uint32_t column) { return e4m3_of(row[column]); }
};

template <>
struct ElementForm<DType::kF8E5M2> {
  using Raw = EightBytes;
  static __device__ Raw fetch(const uint8_t* row, uint32_t column) { return {load<uint2>(row + column)}; }
  static __device__ void decode(const Raw& raw, uint32_t, float (&values)[kOctet]) {
    high_halves_of(raw.bytes, values);
  }
  static __device__ float one(const uint8_t* row, uint32_t column) { return half_of(uint32_t{row[column]} << 8); }
};

template <>
struct ElementForm<DType::kI8> {
  using Raw = EightBytes;
  static __device__ Raw fetch(const uint8_t* row, uint32_t column) { return {load<uint2>(row + column)}; }
  static __device__ void decode(const Raw& raw, uint32_t, float (&values)[kOctet]) {
    signed_numbers(raw.bytes, values);
  }
  static __device__ float one(const uint8_t* row, uint32_t column) { return number(row[column] ^ 0x80u, 128); }
};

/// Two E2M1 a byte, the first in the high half.
template <>
struct ElementForm<DType::kU8> {
  struct Raw {
    uint32_t codes;
  };
  static __device__ Raw fetch(const uint8_t* row, uint32_t column) { return {load<uint32_t>(row + column / 2)}; }
  static __device__ void decode(const Raw& raw, uint32_t, float (&values)[kOctet]) {
    const NibbleTable table = kE2M1High;
    const uint2 high = look_up(table, raw.codes);
    high_halves_of({__byte_perm(high.x, 0, 0x2301), __byte_perm(high.y, 0, 0x2301)}, values);
  }
  static __device__ float one(const uint8_t* row, uint32_t column) {
    const uint32_t code = row[column / 2] >> (column % 2 == 0 ? 4 : 0) & 15u;
    const NibbleTable table = kE2M1High;
    return half_of((look_up(table, code).x & 0xffu) << 8);
  }
};

}  // namespace wan::cuda
