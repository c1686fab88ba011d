// Eight elements at a time: loads and stores of F32 and BF16 as floats, 16 bytes an access, and reductions over a
// block.
#pragma once

#include <cuda_bf16.h>
#include <cuda_fp16.h>

#include <cstdint>

#include "tensor/tensor.h"

namespace wan::cuda {

inline constexpr int kVector = 8;  // elements; one 16-byte access of BF16, two of F32

enum class Cache { kStream, kKeep };  // read or written once, or by many blocks

template <typename T>
struct Packed;
template <>
struct Packed<float> {
  float4 part[2];
};
template <>
struct Packed<__nv_bfloat16> {
  uint4 part[1];
};
template <>
struct Packed<__half> {
  uint4 part[1];
};

template <Cache kCache, typename T>
__device__ inline Packed<T> load_packed(const T* from) {
  Packed<T> packed;
  using Part = std::remove_reference_t<decltype(packed.part[0])>;
  const Part* parts = reinterpret_cast<const Part*>(from);
#pragma unroll
  for (size_t i = 0; i < sizeof packed / 16; ++i)
    packed.part[i] = kCache == Cache::kStream ? __ldcs(parts + i) : parts[i];
  return packed;
}

__device__ inline void unpack(const Packed<float>& packed, float (&values)[kVector]) {
#pragma unroll
  for (int i = 0; i < 2; ++i) {
    values[4 * i] = packed.part[i].x;
    values[4 * i + 1] = packed.part[i].y;
    values[4 * i + 2] = packed.part[i].z;
    values[4 * i + 3] = packed.part[i].w;
  }
}

__device__ inline void unpack(const Packed<__nv_bfloat16>& packed, float (&values)[kVector]) {
  const uint32_t words[4] = {packed.part[0].x, packed.part[0].y, packed.part[0].z, packed.part[0].w};
#pragma unroll
  for (int i = 0; i < 4; ++i) {
    values[2 * i] = __uint_as_float(words[i] << 16);
    values[2 * i + 1] = __uint_as_float(words[i] & 0xffff0000u);
  }
}

__device__ inline void unpack(const Packed<__half>& packed, float (&values)[kVector]) {
  const uint32_t words[4] = {packed.part[0].x, packed.part[0].y, packed.part[0].z, packed.part[0].w};
#pragma unroll
  for (int i = 0; i < 4; ++i) {
    values[2 * i] = __half2float(__ushort_as_half(static_cast<unsigned short>(words[i] & 0xffffu)));
    values[2 * i + 1] = __half2float(__ushort_as_half(static_cast<unsigned short>(words[i] >> 16)));
  }
}

template <Cache kCache>
__device__ inline void store_vector(float* to, const float (&values)[kVector]) {
  float4* parts = reinterpret_cast<float4*>(to);
#pragma unroll
  for (int i = 0; i < 2; ++i) {
    const float4 part = make_float4(values[4 * i], values[4 * i + 1], values[4 * i + 2], values[4 * i + 3]);
    if constexpr (kCache == Cache::kStream) {
      __stcs(parts + i, part);
    } else {
      parts[i] = part;
    }
  }
}

template <Cache kCache>
__device__ inline void store_vector(__nv_bfloat16* to, const float (&values)[kVector]) {
  uint32_t words[4];
#pragma unroll
  for (int i = 0; i < 4; ++i) {
    const __nv_bfloat162 pair = __floats2bfloat162_rn(values[2 * i], values[2 * i + 1]);
    words[i] = *reinterpret_cast<const uint32_t*>(&pair);
  }
  const uint4 part = make_uint4(words[0], words[1], words[2], words[3]);
  if constexpr (kCache == Cache::kStream) {
    __stcs(reinterpret_cast<uint4*>(to), part);
  } else {
    *reinterpret_cast<uint4*>(to) = part;
  }
}

template <Cache kCache, typename T>
__device__ inline void load_vector(const T* from, float (&values)[kVector]) {
  unpack(load_packed<kCache>(from), values);
}

__device__ inline float to_float(float value) { return value; }
__device__ inline float to_float(__nv_bfloat16 value) { return __bfloat162float(value); }
__device__ inline float to_float(__half value) { return __half2float(value); }
template <typename T>
__device__ inline T from_float(float value);
template <>
__device__ inline float from_float<float>(float value) {
  return value;
}
template <>
__device__ inline __nv_bfloat16 from_float<__nv_bfloat16>(float value) {
  return __float2bfloat16_rn(value);
}

/// Sum over the lanes of a group of `lanes` (a power of two) neighbours; every lane gets it.
__device__ inline float sum_lanes(float value, int lanes) {
  for (int offset = lanes / 2; offset > 0; offset /= 2) value += __shfl_xor_sync(0xffffffffu, value, offset);
  return value;
}

/// Sum over a block of whole warps; every thread gets it. `partial` holds one float a warp. Consecutive calls must use
/// different buffers: two alternate safely.
__device__ inline float sum_block(float value, float* partial) {
  value = sum_lanes(value, 32);
  const int warps = static_cast<int>(blockDim.x) / 32;
  if (warps == 1) return value;
  if (threadIdx.x % 32 == 0) partial[threadIdx.x / 32] = value;
  __syncthreads();
  const int lane = static_cast<int>(threadIdx.x) % 32;
  return sum_lanes(lane < warps ? partial[lane] : 0.0f, 32);
}

// tanh-approximated GELU and SiLU as the models define them; exact to a few ulp of F32.
__device__ inline float gelu_tanh(float x) {
  constexpr float kScale = 0.7978845608028654f, kCubic = 0.044715f;
  const float inner = kScale * (x + kCubic * x * x * x);
  // 0.5 (1 + tanh z) = 1 / (1 + exp(-2z))
  return __fdividef(x, 1.0f + __expf(-2.0f * inner));
}
// By erf, exactly.
__device__ inline float gelu(float x) { return 0.5f * x * erfcf(-x * 0.7071067811865476f); }
__device__ inline float leaky_relu(float x) { return x < 0.0f ? 0.2f * x : x; }
__device__ inline float silu(float x) { return __fdividef(x, 1.0f + __expf(-x)); }

}  // namespace wan::cuda
