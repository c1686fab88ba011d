// Values in 8 bits by their largest magnitude, after a Hadamard transform of blocks of up to 128: the parts that
// quantize_rows and quantize_attention share. A block of 128 lies in eight neighbouring lanes, 16 values each.
#pragma once

#include <cstdint>

#include "backend/int8_contract.h"

namespace wan::cuda {

inline constexpr uint32_t kInfinityBits = 0x7f800000u, kNanBits = 0x7fc00000u;
inline constexpr float kToInteger =
    12582912.0f;  // 1.5 * 2^23: a sum with it is rounded to a whole number, in the low bits

/// Butterflies of distance 1 to kCount / 2 among a thread's own values.
template <int kCount>
__device__ __forceinline__ void turn_own(float (&v)[kCount], int block) {
#pragma unroll
  for (int h = 1; h < kCount; h *= 2) {
    if (h >= block) break;
#pragma unroll
    for (int i = 0; i < kCount; ++i) {
      if (i & h) continue;
      const float a = v[i], b = v[i + h];
      v[i] = a + b;
      v[i + h] = a - b;
    }
  }
}

/// The farther ones, with the lane that holds the other of each pair. Source of exactness: a * 1 + b and b * -1 + a are
/// rounded once.
template <int kCount>
__device__ __forceinline__ void turn_lanes(float (&v)[kCount], int block) {
  const int lane = static_cast<int>(threadIdx.x) % 32;
#pragma unroll
  for (int h = 1; h * kCount < 128; h *= 2) {
    if (h * kCount >= block) break;
    const float sign = lane & h ? -1.0f : 1.0f;
#pragma unroll
    for (int i = 0; i < kCount; ++i) v[i] = __fmaf_rn(v[i], sign, __shfl_xor_sync(0xffffffffu, v[i], h));
  }
}

template <int kCount>
__device__ __forceinline__ uint32_t largest_bits(const float (&v)[kCount]) {
  uint32_t most = 0;
#pragma unroll
  for (int i = 0; i < kCount; ++i) most = max(most, __float_as_uint(v[i]) & 0x7fffffffu);
  return most;
}

/// Every thread gets the largest of the block's; `partial` has a place for each warp. As for sum_block, consecutive
/// calls use different buffers.
__device__ __forceinline__ uint32_t most_of_block(uint32_t most, uint32_t* partial) {
  const int lane = static_cast<int>(threadIdx.x) % 32, warps = static_cast<int>(blockDim.x) / 32;
  most = __reduce_max_sync(0xffffffffu, most);
  if (lane == 0) partial[threadIdx.x / 32] = most;
  __syncthreads();
  return __reduce_max_sync(0xffffffffu, lane < warps ? partial[lane] : 0u);
}

/// What a row's largest value makes of it.
struct Scaling {
  bool zeros;
  float inverse, scale;
};
__device__ __forceinline__ Scaling scaling_of(uint32_t most, float scale_factor) {
  const float largest = __uint_as_float(most);
  if (most >= kInfinityBits) return {true, 0.0f, __uint_as_float(kNanBits)};
  if (largest < kInt8Tiny) return {true, 0.0f, 0.0f};
  return {false, __fdiv_rn(kInt8Top, largest), __fmul_rn(largest, scale_factor)};
}

/// Four values as whole numbers, a byte each.
__device__ __forceinline__ uint32_t bytes_of(float a, float b, float c, float d, const Scaling& scaling) {
  const auto whole = [&](float value) {
    return __float_as_uint(__fadd_rn(__fmul_rn(value, scaling.inverse), kToInteger));
  };
  const uint32_t low = __byte_perm(whole(a), whole(b), 0x0040), high = __byte_perm(whole(c), whole(d), 0x0040);
  return scaling.zeros ? 0u : __byte_perm(low, high, 0x5410);
}

}  // namespace wan::cuda
