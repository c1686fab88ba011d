// Seeded values on the device: see backend/seeded.h. About 20 integer operations an element; weights of a benchmark are
// made at a good part of the memory's speed.
#include "backend/cuda/launch.h"
#include "backend/cuda/random.h"
#include "backend/cuda/vector.cuh"
#include "backend/seeded.h"

namespace wan::cuda {
namespace {

constexpr int kThreads = 256;

/// seeded_value: the intrinsics keep the compiler from fusing what the host rounds twice.
__device__ float seeded(uint64_t key, uint64_t index, float mean, float deviation) {
  uint64_t x = key + index * kSeededStride;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ULL;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebULL;
  x ^= x >> 31;
  const int sum = static_cast<int>(x & 0xffff) + static_cast<int>((x >> 16) & 0xffff) +
                  static_cast<int>((x >> 32) & 0xffff) + static_cast<int>(x >> 48);
  const float unit = __fmul_rn(static_cast<float>(sum) - kSeededCentre, kSeededScale);
  return __fadd_rn(mean, deviation == 0 ? 0.0f : __fmul_rn(deviation, unit));
}

template <typename Y>
__global__ void __launch_bounds__(kThreads)
    fill_normal_kernel(Y* y, int64_t count, uint64_t seed, uint64_t first, float mean, float deviation) {
  for (int64_t i = static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x; i < count;
       i += static_cast<int64_t>(gridDim.x) * kThreads)
    y[i] = from_float<Y>(seeded(seed, first + static_cast<uint64_t>(i), mean, deviation));
}

}  // namespace

void fill_normal(cudaStream_t stream, int multiprocessors, TensorView y, uint64_t seed, uint64_t first, float mean,
                 float deviation) {
  require_op(y.is_contiguous(), "y must be contiguous");
  if (y.count() == 0) return;
  const unsigned grid = grid_for(ceil_div(y.count(), kThreads), multiprocessors);
  with_float_type(y, [&]<typename Y>(Y*) {
    fill_normal_kernel<<<grid, kThreads, 0, stream>>>(static_cast<Y*>(y.data), y.count(), seed, first, mean, deviation);
  });
  check(cudaGetLastError());
}

}  // namespace wan::cuda
