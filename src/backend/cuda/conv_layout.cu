// Weights and activations rearranged for the convolution kernels. All bound by memory; the weights' part runs at load
// time.
#include "backend/cuda/conv_layout.h"

#include <cuda_bf16.h>
#include <cuda_fp16.h>

#include <algorithm>

#include "base/error.h"

namespace wan::cuda {
namespace {

constexpr int kThreads = 256;
constexpr int64_t kMaxBlocks = 1 << 20;

__device__ float widen(float value) { return value; }
__device__ float widen(__half value) { return __half2float(value); }
__device__ float widen(__nv_bfloat16 value) { return __bfloat162float(value); }

/// How a float is kept at an index: as it is, rounded, or as high and low parts in two planes.
struct AsF32 {
  float* to;
  __device__ void put(int64_t at, float value) const { to[at] = value; }
};
struct AsBF16 {
  __nv_bfloat16* to;
  __device__ void put(int64_t at, float value) const { to[at] = __float2bfloat16_rn(value); }
};
struct AsPlanes {
  __nv_bfloat16* to;
  int64_t plane;  // elements
  __device__ void put(int64_t at, float value) const {
    const __nv_bfloat16 high = __float2bfloat16_rn(value);
    to[at] = high;
    to[plane + at] = __float2bfloat16_rn(value - __bfloat162float(high));
  }
};

unsigned blocks_for(int64_t items) {
  return static_cast<unsigned>(std::clamp<int64_t>((items + kThreads - 1) / kThreads, 1, kMaxBlocks));
}

template <typename From, typename To>
__global__ void repack_kernel(const From* from, To to, WeightExtents e, int64_t first, int64_t count) {
  const int64_t items = count * e.taps * e.in_channels_padded;
  for (int64_t item = blockIdx.x * int64_t{kThreads} + threadIdx.x; item < items;
       item += int64_t{gridDim.x} * kThreads) {
    const int64_t i = item % e.in_channels_padded, tap = item / e.in_channels_padded % e.taps,
                  o = item / e.in_channels_padded / e.taps;
    const float value = i < e.in_channels ? widen(from[(o * e.in_channels + i) * e.taps + tap]) : 0.0f;
    to.put(first * e.taps * e.in_channels_padded + item, value);
  }
}

/// Rows (or columns) of the 3-kernel that meet tap `tap` of an output of parity `parity`: 0 | 1, 2 and 0, 1 | 2.
__device__ void kernel_range(int parity, int tap, int& begin, int& end) {
  begin = tap == 0 ? 0 : 1 + parity;
  end = tap == 0 ? 1 + parity : 3;
}

template <typename From, typename To>
__global__ void sum_upsample_kernel(const From* from, To to, WeightExtents e, int64_t first, int64_t count) {
  const int64_t items = 4 * count * 4 * e.in_channels_padded;
  for (int64_t item = blockIdx.x * int64_t{kThreads} + threadIdx.x; item < items;
       item += int64_t{gridDim.x} * kThreads) {
    const int64_t i = item % e.in_channels_padded, o = item / e.in_channels_padded / 4 % count;
    const int tap = static_cast<int>(item / e.in_channels_padded % 4);
    const int parity = static_cast<int>(item / e.in_channels_padded / 4 / count);
    int y0, y1, x0, x1;
    kernel_range(parity / 2, tap / 2, y0, y1);
    kernel_range(parity % 2, tap % 2, x0, x1);
    float sum = 0.0f;
    if (i < e.in_channels)
      for (int y = y0; y < y1; ++y)
        for (int x = x0; x < x1; ++x) sum += widen(from[(o * e.in_channels + i) * 9 + y * 3 + x]);
    to.put(((parity * e.out_channels_padded + first + o) * 4 + tap) * e.in_channels_padded + i, sum);
  }
}

template <typename T>
__global__ void copy_columns_kernel(const T* from, int64_t from_width, T* to, int64_t to_width, int64_t rows) {
  for (int64_t item = blockIdx.x * int64_t{kThreads} + threadIdx.x; item < rows * to_width;
       item += int64_t{gridDim.x} * kThreads) {
    const int64_t column = item % to_width;
    to[item] = column < from_width ? from[item / to_width * from_width + column] : T{};
  }
}

__global__ void split_columns_kernel(const float* from, int64_t from_width, AsPlanes to, int64_t to_width,
                                     int64_t rows) {
  const int64_t items = rows * to_width;
  for (int64_t item = blockIdx.x * int64_t{kThreads} + threadIdx.x; item < items;
       item += int64_t{gridDim.x} * kThreads) {
    const int64_t column = item % to_width;
    to.put(item, column < from_width ? from[item / to_width * from_width + column] : 0.0f);
  }
}

template <typename T>
__global__ void enlarge_kernel(const T* x, T* y, int64_t height, int64_t width, int64_t channels, int64_t items) {
  for (int64_t item = blockIdx.x * int64_t{kThreads} + threadIdx.x; item < items;
       item += int64_t{gridDim.x} * kThreads) {
    const int64_t c = item % channels, pixel = item / channels;
    const int64_t column = pixel % (2 * width) / 2, row = pixel / (2 * width) % (2 * height) / 2,
                  frame = pixel / (4 * width * height);
    y[item] = x[((frame * height + row) * width + column) * channels + c];
  }
}

enum class Rearrangement { kRepack, kSumUpsample };

template <typename From, typename To>
void rearrange_as(const Context& context, Rearrangement how, const void* from, To to, const WeightExtents& e,
                  int64_t first, int64_t count) {
  const auto* source = static_cast<const From*>(from);
  const int64_t items = count * e.in_channels_padded * (how == Rearrangement::kRepack ? e.taps : 16);
  const auto kernel = how == Rearrangement::kRepack ? repack_kernel<From, To> : sum_upsample_kernel<From, To>;
  kernel<<<blocks_for(items), kThreads, 0, context.compute>>>(source, to, e, first, count);
  check(cudaGetLastError());
}

template <typename From>
void rearrange_from(const Context& context, Rearrangement how, const void* from, void* to, WeightTarget target,
                    const WeightExtents& e, int64_t first, int64_t count) {
  const int64_t plane = e.out_channels_padded * e.in_channels_padded * (how == Rearrangement::kRepack ? e.taps : 16);
  auto* narrow = static_cast<__nv_bfloat16*>(to);
  switch (target) {
    case WeightTarget::kF32:
      return rearrange_as<From>(context, how, from, AsF32{static_cast<float*>(to)}, e, first, count);
    case WeightTarget::kBF16: return rearrange_as<From>(context, how, from, AsBF16{narrow}, e, first, count);
    case WeightTarget::kPlanes: return rearrange_as<From>(context, how, from, AsPlanes{narrow, plane}, e, first, count);
  }
}

void rearrange(const Context& context, Rearrangement how, const void* from, DType from_dtype, void* to,
               WeightTarget target, const WeightExtents& e, int64_t first, int64_t count) {
  switch (from_dtype) {
    case DType::kF32: return rearrange_from<float>(context, how, from, to, target, e, first, count);
    case DType::kF16: return rearrange_from<__half>(context, how, from, to, target, e, first, count);
    case DType::kBF16: return rearrange_from<__nv_bfloat16>(context, how, from, to, target, e, first, count);
    default: throw Error("convolution weights must be F32, F16 or BF16");
  }
}

template <typename T>
void copy_columns_as(const Context& context, const void* from, int64_t from_width, void* to, int64_t to_width,
                     int64_t rows) {
  copy_columns_kernel<<<blocks_for(rows * to_width), kThreads, 0, context.compute>>>(
      static_cast<const T*>(from), from_width, static_cast<T*>(to), to_width, rows);
  check(cudaGetLastError());
}

template <typename T>
void enlarge_as(const Context& context, const void* x, void* y, int64_t frames, int64_t height, int64_t width,
                int64_t channels) {
  const int64_t items = 4 * frames * height * width * channels;
  enlarge_kernel<<<blocks_for(items), kThreads, 0, context.compute>>>(static_cast<const T*>(x), static_cast<T*>(y),
                                                                      height, width, channels, items);
  check(cudaGetLastError());
}

}  // namespace

void repack_weights(const Context& context, const void* from, DType from_dtype, void* to, WeightTarget target,
                    const WeightExtents& extents, int64_t first, int64_t count) {
  rearrange(context, Rearrangement::kRepack, from, from_dtype, to, target, extents, first, count);
}

void sum_upsample_weights(const Context& context, const void* from, DType from_dtype, void* to, WeightTarget target,
                          const WeightExtents& extents, int64_t first, int64_t count) {
  rearrange(context, Rearrangement::kSumUpsample, from, from_dtype, to, target, extents, first, count);
}

void copy_columns(const Context& context, const void* from, int64_t from_width, void* to, int64_t to_width,
                  int64_t rows, DType dtype) {
  if (dtype == DType::kF32) return copy_columns_as<uint32_t>(context, from, from_width, to, to_width, rows);
  copy_columns_as<uint16_t>(context, from, from_width, to, to_width, rows);
}

void split_columns(const Context& context, const void* from, int64_t from_width, void* to, int64_t to_width,
                   int64_t rows) {
  const AsPlanes planes{static_cast<__nv_bfloat16*>(to), rows * to_width};
  split_columns_kernel<<<blocks_for(rows * to_width), kThreads, 0, context.compute>>>(
      static_cast<const float*>(from), from_width, planes, to_width, rows);
  check(cudaGetLastError());
}

void enlarge_nearest(const Context& context, const void* x, void* y, int64_t frames, int64_t height, int64_t width,
                     int64_t channels, DType dtype) {
  const int64_t bytes = channels * (dtype == DType::kF32 ? 4 : 2);
  if (bytes % 16 == 0) return enlarge_as<uint4>(context, x, y, frames, height, width, bytes / 16);
  if (dtype == DType::kF32) return enlarge_as<uint32_t>(context, x, y, frames, height, width, channels);
  enlarge_as<uint16_t>(context, x, y, frames, height, width, channels);
}

}  // namespace wan::cuda
