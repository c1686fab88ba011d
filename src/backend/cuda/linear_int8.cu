// Products of rows in 8 bits where Hopper's kernel does not apply: another card, or rows it cannot copy.
// Algorithm: a block makes 64 x 64 of y from slices of 128 bytes along K in shared memory, four products an instruction
// (dp4a). 2 M N K operations; bound by those instructions, at an eighth or less of what the matrix units do.
#include "backend/cuda/launch.h"
#include "backend/cuda/linear_int8.h"
#include "backend/cuda/linear_int8_sm90.h"
#include "backend/cuda/vector.cuh"
#include "backend/int8_contract.h"

namespace wan::cuda {
namespace {

constexpr int kTile = 64;        // rows and columns of a block
constexpr int kSliceWords = 32;  // of four values along K
constexpr int kThreads = 256;
constexpr int kColumns = 8;  // of a thread, in two rows

struct Problem {
  int64_t m = 0, n = 0, k = 0, y_stride = 0;
  const int8_t *x = nullptr, *weight = nullptr;
  const float *x_scale = nullptr, *weight_scale = nullptr;
  const void* bias = nullptr;
  bool bias_is_bf16 = false;
  bool words = false;  // whether four values may be read at once
  bool gelu = false;
};

/// Four values of a row from column k on; zeros behind the end.
__device__ __forceinline__ int four(const int8_t* row, int64_t k, const Problem& problem) {
  if (problem.words) return k < problem.k ? *reinterpret_cast<const int*>(row + k) : 0;
  uint32_t word = 0;
#pragma unroll
  for (int i = 0; i < 4; ++i)
    if (k + i < problem.k) word |= uint32_t{static_cast<uint8_t>(row[k + i])} << 8 * i;
  return static_cast<int>(word);
}

__device__ __forceinline__ float bias_at(const Problem& problem, int64_t n) {
  if (problem.bias == nullptr) return 0;
  if (problem.bias_is_bf16) return to_float(static_cast<const __nv_bfloat16*>(problem.bias)[n]);
  return static_cast<const float*>(problem.bias)[n];
}

template <typename Y>
__global__ void __launch_bounds__(kThreads) int8_kernel(Y* y, const Problem problem) {
  __shared__ int x_slice[kTile][kSliceWords + 1], weight_slice[kTile][kSliceWords + 1];
  const int thread = static_cast<int>(threadIdx.x);
  const int64_t across = (problem.n + kTile - 1) / kTile;
  const int64_t top = blockIdx.x / across * kTile, left = blockIdx.x % across * kTile;
  const int row = thread / (kTile / kColumns), column = thread % (kTile / kColumns) * kColumns;
  int sums[2][kColumns] = {};
  for (int64_t begin = 0; begin < problem.k; begin += 4 * kSliceWords) {
    for (int i = thread; i < kTile * kSliceWords; i += kThreads) {
      const int line = i / kSliceWords, word = i % kSliceWords;
      const int64_t k = begin + 4 * word;
      x_slice[line][word] = top + line < problem.m ? four(problem.x + (top + line) * problem.k, k, problem) : 0;
      weight_slice[line][word] =
          left + line < problem.n ? four(problem.weight + (left + line) * problem.k, k, problem) : 0;
    }
    __syncthreads();
    for (int word = 0; word < kSliceWords; ++word) {
      const int upper = x_slice[row][word], lower = x_slice[row + kTile / 2][word];
#pragma unroll
      for (int i = 0; i < kColumns; ++i) {
        const int w = weight_slice[column + i][word];
        sums[0][i] = __dp4a(upper, w, sums[0][i]);
        sums[1][i] = __dp4a(lower, w, sums[1][i]);
      }
    }
    __syncthreads();
  }
#pragma unroll
  for (int half = 0; half < 2; ++half) {
    const int64_t m = top + row + half * (kTile / 2);
    if (m >= problem.m) return;
    const float scale = problem.x_scale[m];
#pragma unroll
    for (int i = 0; i < kColumns; ++i) {
      const int64_t n = left + column + i;
      if (n >= problem.n) break;
      const float offset = bias_at(problem, n);
      const float value = __fmaf_rn(__fmul_rn(__int2float_rn(sums[half][i]), scale), problem.weight_scale[n], offset);
      y[m * problem.y_stride + n] = from_float<Y>(problem.gelu ? gelu_tanh(value) : value);
    }
  }
}

}  // namespace

void linear_int8(Context& context, const Int8Rows& x, const Int8Rows& weight, TensorView bias, Activation activation,
                 TensorView y) {
  require_linear_int8(x, weight, bias, activation, y, Memory::kDevice);
  if (y.count() == 0) return;
  if (sm90_linear_int8_accepts(context, x, weight, bias, y))
    return sm90_linear_int8(context, x, weight, bias, activation, y);
  Problem problem{.m = y.shape[0], .n = y.shape[1], .k = x.values.shape[1], .y_stride = row_stride(y)};
  problem.x = x.values.as<int8_t>();
  problem.weight = weight.values.as<int8_t>();
  problem.x_scale = x.scale.as<float>();
  problem.weight_scale = weight.scale.as<float>();
  problem.bias = bias.data;
  problem.bias_is_bf16 = bias.dtype == DType::kBF16;
  const auto places = reinterpret_cast<uintptr_t>(problem.x) | reinterpret_cast<uintptr_t>(problem.weight);
  problem.words = problem.k % 4 == 0 && places % 4 == 0;
  problem.gelu = activation == Activation::kGeluTanh;
  const int64_t blocks = ceil_div(problem.m, kTile) * ceil_div(problem.n, kTile);
  expect(blocks <= INT32_MAX, [&] { return message("a product of {} is too large", y.shape); });
  with_float_type(y, [&]<typename Y>(Y*) {
    int8_kernel<<<static_cast<unsigned>(blocks), kThreads, 0, context.compute>>>(static_cast<Y*>(y.data), problem);
  });
  check(cudaGetLastError());
}

}  // namespace wan::cuda
