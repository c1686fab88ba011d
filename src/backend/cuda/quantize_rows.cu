// Rows in 8 bits with one scale each, after a Hadamard transform of every block of up to 128 neighbours.
// Algorithm: a thread holds 16 neighbours, does the butterflies among them in registers and the farther ones with its
// neighbours' lanes, so that any block of up to 128 lies in eight lanes. A block of threads takes a row and fetches the
// next while it works; the largest value goes through shared memory. Rows that are not 16 bytes apart, not of whole
// sixteens, or longer than 1,024 threads hold, take a plain kernel that reads them twice. Bytes: 2 (BF16) or 4 read and
// 1 written an element; bound by memory.
#include "backend/cuda/launch.h"
#include "backend/cuda/quantize_int8.cuh"
#include "backend/cuda/quantize_rows.h"
#include "backend/cuda/vector.cuh"
#include "backend/int8_contract.h"

namespace wan::cuda {
namespace {

constexpr int kSixteen = 16;  // neighbours of a thread
constexpr int kMostThreads = 1024;

struct Problem {
  int64_t rows = 0, k = 0, x_stride = 0;
  int block = 1;
  float scale_factor = 0;
  int8_t* values = nullptr;
  float* scale = nullptr;
};

template <typename T>
__device__ __forceinline__ void fetch(const T* from, Packed<T> (&packed)[2]) {
  packed[0] = load_packed<Cache::kStream>(from);
  packed[1] = load_packed<Cache::kStream>(from + kVector);
}

template <typename T>
__global__ void __launch_bounds__(kMostThreads) quantize_kernel(const T* __restrict__ x, const Problem problem) {
  __shared__ uint32_t partial[2][32];
  const int thread = static_cast<int>(threadIdx.x);
  const int64_t first = static_cast<int64_t>(thread) * kSixteen;
  const bool is_inside = first < problem.k;
  Packed<T> next[2] = {};
  if (is_inside) fetch(x + blockIdx.x * problem.x_stride + first, next);
  int phase = 0;
  for (int64_t row = blockIdx.x; row < problem.rows; row += gridDim.x, phase ^= 1) {
    float v[kSixteen];
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      float eight[kVector];
      unpack(next[half], eight);
#pragma unroll
      for (int i = 0; i < kVector; ++i) v[half * kVector + i] = eight[i];
    }
    if (is_inside && row + gridDim.x < problem.rows) fetch(x + (row + gridDim.x) * problem.x_stride + first, next);
    turn_own(v, problem.block);
    turn_lanes(v, problem.block);
    const uint32_t most = most_of_block(largest_bits(v), partial[phase]);
    const Scaling scaling = scaling_of(most, problem.scale_factor);
    if (thread == 0) problem.scale[row] = scaling.scale;
    if (!is_inside) continue;
    uint32_t words[4];
#pragma unroll
    for (int i = 0; i < 4; ++i) words[i] = bytes_of(v[4 * i], v[4 * i + 1], v[4 * i + 2], v[4 * i + 3], scaling);
    __stcs(reinterpret_cast<uint4*>(problem.values + row * problem.k + first),
           make_uint4(words[0], words[1], words[2], words[3]));
  }
}

// ---- any row -------------------------------------------------------------------------------------------------------

constexpr int kPlainThreads = 256;
constexpr int kFour = 4;  // neighbours of a thread; a warp holds the largest block

/// The transform of the four values from column `first` of a row; the warp's lanes have neighbouring fours.
template <typename T>
__device__ __forceinline__ void turned_four(const T* row, int64_t first, const Problem& problem, float (&v)[kFour]) {
#pragma unroll
  for (int i = 0; i < kFour; ++i) v[i] = first + i < problem.k ? to_float(row[first + i]) : 0.0f;
  turn_own(v, problem.block);
  turn_lanes(v, problem.block);
}

template <typename T>
__global__ void __launch_bounds__(kPlainThreads) quantize_plain_kernel(const T* __restrict__ x, const Problem problem) {
  __shared__ uint32_t partial[2][32];
  const int64_t begin = static_cast<int64_t>(threadIdx.x) / 32 * 128, lane = threadIdx.x % 32;
  int phase = 0;
  for (int64_t row = blockIdx.x; row < problem.rows; row += gridDim.x, phase ^= 1) {
    const T* from = x + row * problem.x_stride;
    uint32_t most = 0;
    for (int64_t part = begin; part < problem.k; part += kPlainThreads * kFour) {  // the same for a whole warp
      float v[kFour];
      turned_four(from, part + lane * kFour, problem, v);
      most = max(most, largest_bits(v));
    }
    const Scaling scaling = scaling_of(most_of_block(most, partial[phase]), problem.scale_factor);
    if (threadIdx.x == 0) problem.scale[row] = scaling.scale;
    for (int64_t part = begin; part < problem.k; part += kPlainThreads * kFour) {
      const int64_t first = part + lane * kFour;
      float v[kFour];
      turned_four(from, first, problem, v);
      const uint32_t word = bytes_of(v[0], v[1], v[2], v[3], scaling);
#pragma unroll
      for (int i = 0; i < kFour; ++i)
        if (first + i < problem.k)
          problem.values[row * problem.k + first + i] = static_cast<int8_t>(word >> 8 * i & 0xffu);
    }
  }
}

}  // namespace

void quantize_rows(Context& context, TensorView x, const Int8Rows& q) {
  require_quantizable(x, q, Memory::kDevice);
  if (x.shape[0] == 0) return;
  Problem problem{.rows = x.shape[0], .k = x.shape[1], .x_stride = row_stride(x)};
  problem.block = hadamard_block(problem.k);
  problem.scale_factor = int8_scale_factor(problem.block);
  problem.values = q.values.as<int8_t>();
  problem.scale = q.scale.as<float>();
  const bool is_fast =
      rows_are_aligned(x, kSixteen) && is_aligned(problem.values) && problem.k <= kMostThreads * kSixteen;
  with_float_type(x, [&]<typename T>(T*) {
    const T* from = static_cast<const T*>(x.data);
    if (!is_fast) {
      quantize_plain_kernel<<<grid_for(problem.rows, context.multiprocessors, 8), kPlainThreads, 0, context.compute>>>(
          from, problem);
      return;
    }
    const int threads = static_cast<int>(ceil_div(problem.k / kSixteen, 32) * 32);
    int resident = 0;  // blocks a multiprocessor has at once: each takes rows until there are none
    check(cudaOccupancyMaxActiveBlocksPerMultiprocessor(&resident, quantize_kernel<T>, threads, 0));
    const unsigned grid = grid_for(problem.rows, context.multiprocessors, std::max(1, resident));
    quantize_kernel<<<grid, static_cast<unsigned>(threads), 0, context.compute>>>(from, problem);
  });
  check(cudaGetLastError());
}

}  // namespace wan::cuda
