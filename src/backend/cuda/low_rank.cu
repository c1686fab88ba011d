// y = base + factor * (up down): a matrix product with a short inner axis, in plain F32 arithmetic.
// Algorithm: a block makes 128 x 128 of y; each of its threads 8 x 8 as four squares of 4 x 4, so that shared memory is
// read 16 bytes at a time without conflicts. Slices of 16 of the inner axis go through shared memory in two buffers,
// the next slice is on its way while one is multiplied. A sum runs over the inner axis from its beginning, as on the
// CPU. Work: 2 R flops an element; base and y once each, factors by every block that needs them, out of the L2 cache.
// At rank 64 all linear layers of two A14B experts are 28.1e9 elements: 3.6e12 flops and, from BF16 to BF16, 112e9
// bytes. On an H200 (67e12 flop/s, 4.8e12 byte/s) these are 54 and 24 ms: bound by arithmetic.
#include <cuda_fp16.h>

#include "backend/cuda/launch.h"
#include "backend/cuda/low_rank.h"
#include "backend/cuda/vector.cuh"

namespace wan::cuda {
namespace {

constexpr int kTile = 128;  // rows and columns of a block
constexpr int kSlice = 16;  // of the inner axis
constexpr int kThreads = 256;
constexpr int kQuad = 4;  // neighbours that a thread reads or writes at once
constexpr int kLoad = 8;  // elements of each factor that a thread fetches a slice
constexpr int kHalf = kTile / 2;
constexpr int kSide = kHalf / kQuad;  // threads along one edge of a tile

static_assert(kSide * kSide == kThreads && kTile * kSlice == kThreads * kLoad && kLoad == kVector);

struct Problem {
  int64_t rows = 0, columns = 0, rank = 0;
  float factor = 0;
  bool up_aligned = false, down_aligned = false,
       y_aligned = false;  // whether eights, or fours of y and base, may be read at once
};

/// Eight neighbours from `from`, of which `count` are there; zeros for the others.
template <typename T>
__device__ void fetch(const T* from, int64_t count, bool aligned, float (&values)[kLoad]) {
  if (aligned && count >= kLoad) return load_vector<Cache::kKeep>(from, values);
#pragma unroll
  for (int i = 0; i < kLoad; ++i) values[i] = i < count ? to_float(from[i]) : 0.0f;
}

/// Where a thread fetches: of `up` a row's part of the slice, of `down` a part of a row of the slice.
template <typename T>
struct Fetcher {
  const T* up;
  const T* down;
  const Problem& problem;
  int64_t row, column;  // of y
  int up_k, down_k;     // within a slice

  __device__ void slice(int64_t k, float (&a)[kLoad], float (&b)[kLoad]) const {
    const int64_t rank = problem.rank, in_row = row < problem.rows ? rank - (k + up_k) : 0;
    fetch(up + row * rank + k + up_k, in_row, problem.up_aligned, a);
    const int64_t in_line = k + down_k < rank ? problem.columns - column : 0;
    fetch(down + (k + down_k) * problem.columns + column, in_line, problem.down_aligned, b);
  }
};

__device__ void load_quad(const float* from, float (&values)[kQuad]) {
  const float4 quad = *reinterpret_cast<const float4*>(from);
  values[0] = quad.x, values[1] = quad.y, values[2] = quad.z, values[3] = quad.w;
}
__device__ void load_quad(const __nv_bfloat16* from, float (&values)[kQuad]) {
  const uint2 quad = *reinterpret_cast<const uint2*>(from);
  values[0] = __uint_as_float(quad.x << 16), values[1] = __uint_as_float(quad.x & 0xffff0000u);
  values[2] = __uint_as_float(quad.y << 16), values[3] = __uint_as_float(quad.y & 0xffff0000u);
}
__device__ void store_quad(float* to, const float (&values)[kQuad]) {
  *reinterpret_cast<float4*>(to) = make_float4(values[0], values[1], values[2], values[3]);
}
__device__ void store_quad(__nv_bfloat16* to, const float (&values)[kQuad]) {
  const __nv_bfloat162 low = __floats2bfloat162_rn(values[0], values[1]);
  const __nv_bfloat162 high = __floats2bfloat162_rn(values[2], values[3]);
  *reinterpret_cast<uint2*>(to) =
      make_uint2(*reinterpret_cast<const uint32_t*>(&low), *reinterpret_cast<const uint32_t*>(&high));
}

struct Slices {
  alignas(16) float up[2][kSlice][kTile];  // transposed: a column of `up` is a row here
  alignas(16) float down[2][kSlice][kTile];
};

/// sum += the product of one slice.
__device__ void multiply(const float (&up)[kSlice][kTile], const float (&down)[kSlice][kTile], int y, int x,
                         float (&sum)[2][2][kQuad][kQuad]) {
#pragma unroll
  for (int k = 0; k < kSlice; ++k) {
    float a[2][kQuad], b[2][kQuad];
#pragma unroll
    for (int part = 0; part < 2; ++part) {
      load_quad(&up[k][part * kHalf + y * kQuad], a[part]);
      load_quad(&down[k][part * kHalf + x * kQuad], b[part]);
    }
#pragma unroll
    for (int v = 0; v < 2; ++v)
#pragma unroll
      for (int h = 0; h < 2; ++h)
#pragma unroll
        for (int i = 0; i < kQuad; ++i)
#pragma unroll
          for (int j = 0; j < kQuad; ++j) sum[v][h][i][j] = __fmaf_rn(a[v][i], b[h][j], sum[v][h][i][j]);
  }
}

/// Adds four neighbours of a row to those of the base. `y` may be `base`: each element is read and written by one
/// thread.
template <typename Base, typename Y>
__device__ void finish(const Base* base, Y* y, int64_t row, int64_t column, const Problem& problem,
                       const float (&sum)[kQuad]) {
  if (row >= problem.rows || column >= problem.columns) return;
  const int64_t at = row * problem.columns + column;
  float values[kQuad];
  if (problem.y_aligned) {  // then columns come in fours
    load_quad(base + at, values);
#pragma unroll
    for (int i = 0; i < kQuad; ++i) values[i] = __fmaf_rn(problem.factor, sum[i], values[i]);
    return store_quad(y + at, values);
  }
#pragma unroll
  for (int i = 0; i < kQuad; ++i)
    if (column + i < problem.columns)
      y[at + i] = from_float<Y>(__fmaf_rn(problem.factor, sum[i], to_float(base[at + i])));
}

template <typename Factor, typename Base, typename Y>
__global__ void __launch_bounds__(kThreads, 2)
    low_rank_kernel(const Base* base, const Factor* up, const Factor* down, Y* y, const Problem problem) {
  __shared__ Slices slices;
  const int thread = static_cast<int>(threadIdx.x);
  const int64_t across = (problem.columns + kTile - 1) / kTile;
  const int64_t top = blockIdx.x / across * kTile, left = blockIdx.x % across * kTile;
  const int up_row = thread % kTile, up_k = thread / kTile * kLoad;
  const int down_k = thread / (kTile / kLoad), down_column = thread % (kTile / kLoad) * kLoad;
  const Fetcher<Factor> fetcher{up, down, problem, top + up_row, left + down_column, up_k, down_k};
  const int y_place = thread / kSide, x_place = thread % kSide;

  float a[kLoad], b[kLoad], sum[2][2][kQuad][kQuad] = {};
  fetcher.slice(0, a, b);
  int buffer = 0;
  for (int64_t k = 0; k < problem.rank; k += kSlice, buffer ^= 1) {
#pragma unroll
    for (int i = 0; i < kLoad; ++i) slices.up[buffer][up_k + i][up_row] = a[i];
    store_vector<Cache::kKeep>(&slices.down[buffer][down_k][down_column], b);
    __syncthreads();  // also: all have left the other buffer's last use
    if (k + kSlice < problem.rank) fetcher.slice(k + kSlice, a, b);
    multiply(slices.up[buffer], slices.down[buffer], y_place, x_place, sum);
  }
#pragma unroll
  for (int v = 0; v < 2; ++v)
#pragma unroll
    for (int i = 0; i < kQuad; ++i)
#pragma unroll
      for (int h = 0; h < 2; ++h)
        finish(base, y, top + v * kHalf + y_place * kQuad + i, left + h * kHalf + x_place * kQuad, problem,
               sum[v][h][i]);
}

/// Calls `body` with a null pointer of a factor's element type.
template <typename Body>
void with_factor_type(const TensorView& view, Body&& body) {
  if (view.dtype == DType::kF16) return body(static_cast<__half*>(nullptr));
  with_float_type(view, std::forward<Body>(body));
}

void check_arguments(const TensorView& base, const TensorView& up, const TensorView& down, const TensorView& y) {
  expect(base.rank() == 2 && base.shape == y.shape && base.is_contiguous() && y.is_contiguous() && is_float(base) &&
             is_float(y),
         [&] {
           return message("base and y must be contiguous F32 or BF16 matrices of one shape, found {} {} and {} {}",
                          name_of(base.dtype), base.shape, name_of(y.dtype), y.shape);
         });
  const bool fits = up.rank() == 2 && down.rank() == 2 && up.shape[0] == base.shape[0] &&
                    down.shape[1] == base.shape[1] && up.shape[1] == down.shape[0];
  expect(fits && up.is_contiguous() && down.is_contiguous() && up.dtype == down.dtype &&
             (is_float(up) || up.dtype == DType::kF16),
         [&] {
           return message(
               "up and down must be contiguous matrices of one of F32, F16 and BF16 that fit {}, found {} {} "
               "and {} {}",
               base.shape, name_of(up.dtype), up.shape, name_of(down.dtype), down.shape);
         });
}

}  // namespace

void add_low_rank(cudaStream_t stream, TensorView base, TensorView up, TensorView down, float factor, TensorView y) {
  check_arguments(base, up, down, y);
  if (y.count() == 0) return;
  Problem problem{.rows = y.shape[0], .columns = y.shape[1], .rank = up.shape[1], .factor = factor};
  problem.up_aligned = is_aligned(up.data) && problem.rank % kLoad == 0;
  problem.down_aligned = is_aligned(down.data) && problem.columns % kLoad == 0;
  problem.y_aligned = is_aligned(base.data) && is_aligned(y.data) && problem.columns % kQuad == 0;
  const int64_t blocks = ceil_div(problem.rows, kTile) * ceil_div(problem.columns, kTile);
  expect(blocks <= INT32_MAX, [&] { return message("a matrix of {} is too large", y.shape); });
  with_factor_type(up, [&]<typename Factor>(Factor*) {
    with_float_type(base, [&]<typename Base>(Base*) {
      with_float_type(y, [&]<typename Y>(Y*) {
        low_rank_kernel<<<static_cast<unsigned>(blocks), kThreads, 0, stream>>>(
            static_cast<const Base*>(base.data), static_cast<const Factor*>(up.data),
            static_cast<const Factor*>(down.data), static_cast<Y*>(y.data), problem);
      });
    });
  });
  check(cudaGetLastError());
}

}  // namespace wan::cuda
