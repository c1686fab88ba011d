// Softmax over rows of attention scores, with the scale and the text encoder's relative bias applied on the way in.
// One block a row; two reads of the row (running maximum and sum together, then the values) and one write: 4 + 4 + 2 or
// 4 bytes a score, so memory bound. expf is used rather than the fast intrinsic: the fp32 path must hold to fp32
// accuracy.
#include <cuda_bf16.h>

#include "backend/cuda/attention_softmax.h"
#include "base/error.h"

namespace wan::cuda {
namespace {

constexpr int kThreads = 256;
constexpr int kWarps = kThreads / 32;

struct Running {
  float max, sum;  // sum of exp(x - max)
};

__device__ Running join(Running a, Running b) {
  const float max = fmaxf(a.max, b.max);
  if (max == -INFINITY) return {max, 0.0f};
  return {max, a.sum * expf(a.max - max) + b.sum * expf(b.max - max)};
}

__device__ Running join_block(Running own) {
  __shared__ Running warps[kWarps];
  for (int lane = 16; lane > 0; lane /= 2) {
    own = join(own, {__shfl_xor_sync(~0u, own.max, lane), __shfl_xor_sync(~0u, own.sum, lane)});
  }
  if (threadIdx.x % 32 == 0) warps[threadIdx.x / 32] = own;
  __syncthreads();
  Running all = warps[0];
  for (int w = 1; w < kWarps; ++w) all = join(all, warps[w]);
  return all;
}

__device__ void store(float* to, float value) { *to = value; }
__device__ void store(__nv_bfloat16* to, float value) { *to = __float2bfloat16_rn(value); }

template <typename T>
__global__ void softmax_kernel(ScoreBlock block, const float* scores, float scale, RelativeBias bias,
                               T* probabilities) {
  const int64_t row = blockIdx.x;  // within the block, queries fastest
  const int64_t head = block.first_head + row / block.rows;
  const int64_t query = block.first_row + row % block.rows;
  const float* x = scores + row * block.row_stride;
  T* y = probabilities + row * block.row_stride;
  const auto score = [&](int64_t j) {
    float value = x[j] * scale;
    if (bias.table != nullptr)
      value += bias.table[bias.bucket[j - query + block.all_rows - 1] * block.all_heads + head];
    return value;
  };
  Running own{-INFINITY, 0.0f};
  for (int64_t j = threadIdx.x; j < block.columns; j += kThreads) own = join(own, {score(j), 1.0f});
  const Running all = join_block(own);
  const float inverse = 1.0f / all.sum;
  for (int64_t j = threadIdx.x; j < block.columns; j += kThreads) store(y + j, expf(score(j) - all.max) * inverse);
}

}  // namespace

void score_softmax(const Context& context, const ScoreBlock& block, const float* scores, float scale,
                   const RelativeBias& bias, DType dtype, void* probabilities) {
  const auto rows = static_cast<unsigned>(block.heads * block.rows);
  if (dtype == DType::kF32) {
    softmax_kernel<<<rows, kThreads, 0, context.compute>>>(block, scores, scale, bias,
                                                           static_cast<float*>(probabilities));
  } else {
    softmax_kernel<<<rows, kThreads, 0, context.compute>>>(block, scores, scale, bias,
                                                           static_cast<__nv_bfloat16*>(probabilities));
  }
  check(cudaGetLastError());
}

}  // namespace wan::cuda
