// Philox4x32-10 (Salmon et al., SC'11) and Box-Muller: key = seed, counter = index / 4, so that any part of a tensor
// can be made alone and every device makes the same values. About 60 operations an element; bound by arithmetic and
// used at load time only.
#include "backend/cuda/launch.h"
#include "backend/cuda/random.h"
#include "backend/cuda/vector.cuh"

namespace wan::cuda {
namespace {

constexpr int kThreads = 256;
constexpr int kGroup = 4;  // values of one counter

__device__ uint4 philox(uint4 counter, uint2 key) {
  constexpr uint32_t kMultiplier0 = 0xD2511F53u, kMultiplier1 = 0xCD9E8D57u, kWeyl0 = 0x9E3779B9u, kWeyl1 = 0xBB67AE85u;
#pragma unroll
  for (int round = 0; round < 10; ++round) {
    const uint32_t high0 = __umulhi(kMultiplier0, counter.x), low0 = kMultiplier0 * counter.x;
    const uint32_t high1 = __umulhi(kMultiplier1, counter.z), low1 = kMultiplier1 * counter.z;
    counter = make_uint4(high1 ^ counter.y ^ key.x, low1, high0 ^ counter.w ^ key.y, low0);
    key = make_uint2(key.x + kWeyl0, key.y + kWeyl1);
  }
  return counter;
}

/// In (0, 1) and exact in F32.
__device__ float unit(uint32_t word) { return (static_cast<float>(word >> 9) + 0.5f) * 0x1p-23f; }

__device__ float2 normal_pair(uint32_t a, uint32_t b) {
  const float radius = sqrtf(-2.0f * logf(unit(a)));
  float sine, cosine;
  sincospif(2.0f * unit(b), &sine, &cosine);
  return make_float2(radius * cosine, radius * sine);
}

template <typename Y>
__global__ void __launch_bounds__(kThreads)
    fill_normal_kernel(Y* y, int64_t count, uint64_t seed, float mean, float deviation) {
  const int64_t groups = (count + kGroup - 1) / kGroup;
  for (int64_t g = static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x; g < groups;
       g += static_cast<int64_t>(gridDim.x) * kThreads) {
    const uint4 words = philox(make_uint4(static_cast<uint32_t>(g), static_cast<uint32_t>(g >> 32), 0, 0),
                               make_uint2(static_cast<uint32_t>(seed), static_cast<uint32_t>(seed >> 32)));
    const float2 first = normal_pair(words.x, words.y), second = normal_pair(words.z, words.w);
    const float values[kGroup] = {first.x, first.y, second.x, second.y};
#pragma unroll
    for (int i = 0; i < kGroup; ++i) {
      if (g * kGroup + i < count) y[g * kGroup + i] = from_float<Y>(mean + deviation * values[i]);
    }
  }
}

}  // namespace

void fill_normal(Context& context, TensorView y, uint64_t seed, float mean, float deviation) {
  require_op(y.is_contiguous(), "y must be contiguous");
  if (y.count() == 0) return;
  const unsigned grid = grid_for(ceil_div(y.count(), kThreads * kGroup), context.multiprocessors);
  with_float_type(y, [&]<typename Y>(Y*) {
    fill_normal_kernel<<<grid, kThreads, 0, context.compute>>>(static_cast<Y*>(y.data), y.count(), seed, mean,
                                                               deviation);
  });
  check(cudaGetLastError());
}

}  // namespace wan::cuda
