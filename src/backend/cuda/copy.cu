// Strided copies with conversion.
// Algorithm: axes that are one walk in both tensors are merged first. Then whichever fits: a device copy (same dtype,
// contiguous); 16-byte vectors where the inner axis is unit in both; a tiled transpose through shared memory where the
// unit axes differ; one element a thread otherwise. Each element is read and written once; bound by memory.
#include <array>

#include "backend/cuda/copy.h"
#include "backend/cuda/launch.h"
#include "backend/cuda/vector.cuh"

namespace wan::cuda {
namespace {

constexpr int kThreads = 256;
constexpr int kTile = 32;

/// Axes outermost first; strides in elements.
struct Walk {
  int rank = 0;
  int64_t extent[kMaxRank] = {};
  int64_t from[kMaxRank] = {};
  int64_t to[kMaxRank] = {};
  __host__ __device__ int64_t count() const {
    int64_t product = 1;
    for (int i = 0; i < rank; ++i) product *= extent[i];
    return product;
  }
};

Walk merged_walk(const TensorView& x, const TensorView& y) {
  Walk walk;
  for (int i = 0; i < x.rank(); ++i) {
    if (x.shape[i] == 1) continue;
    const int last = walk.rank - 1;
    if (walk.rank > 0 && walk.from[last] == x.stride(i) * x.shape[i] && walk.to[last] == y.stride(i) * x.shape[i]) {
      walk.extent[last] *= x.shape[i];
      walk.from[last] = x.stride(i);
      walk.to[last] = y.stride(i);
      continue;
    }
    walk.extent[walk.rank] = x.shape[i];
    walk.from[walk.rank] = x.stride(i);
    walk.to[walk.rank++] = y.stride(i);
  }
  if (walk.rank == 0) {
    walk.rank = 1;
    walk.extent[0] = walk.from[0] = walk.to[0] = 1;
  }
  return walk;
}

template <typename From, typename To>
__device__ void convert(const From* from, To* to) {
  if constexpr (std::is_same_v<From, To>) {
    *to = *from;
  } else {
    *to = from_float<To>(to_float(*from));
  }
}

template <typename T>
struct Eight {  // eight elements as one, for vector conversion
  using Element = T;
};
template <typename From, typename To>
__device__ void convert(const Eight<From>* from, Eight<To>* to) {
  float values[kVector];
  load_vector<Cache::kKeep>(reinterpret_cast<const From*>(from), values);
  store_vector<Cache::kKeep>(reinterpret_cast<To*>(to), values);
}

template <typename T>
struct Step {  // bytes-free pointer arithmetic: strides count units of T, and Eight<T> is eight T long
  static constexpr int64_t kSize = 1;
  using Pointer = T;
};
template <typename T>
struct Step<Eight<T>> {
  static constexpr int64_t kSize = kVector;
  using Pointer = T;
};

template <typename From, typename To, typename Index>
__global__ void __launch_bounds__(kThreads) strided_kernel(const void* x, void* y, const Walk walk, Index count) {
  using FromUnit = typename Step<From>::Pointer;
  using ToUnit = typename Step<To>::Pointer;
  for (Index item = static_cast<Index>(blockIdx.x) * kThreads + threadIdx.x; item < count;
       item += static_cast<Index>(gridDim.x) * kThreads) {
    Index rest = item;
    int64_t from = 0, to = 0;
#pragma unroll
    for (int i = kMaxRank - 1; i >= 0; --i) {
      if (i >= walk.rank) continue;
      const Index extent = static_cast<Index>(walk.extent[i]);
      const Index quotient = i == 0 ? 0 : rest / extent;
      const Index at = rest - quotient * extent;
      rest = quotient;
      from += static_cast<int64_t>(at) * walk.from[i];
      to += static_cast<int64_t>(at) * walk.to[i];
    }
    convert(reinterpret_cast<const From*>(static_cast<const FromUnit*>(x) + from * Step<From>::kSize),
            reinterpret_cast<To*>(static_cast<ToUnit*>(y) + to * Step<To>::kSize));
  }
}

/// `across`: the axis that is unit in x; the last axis is unit in y. Tiles are kTile x kTile over the two.
struct Transpose {
  Walk batch;
  int64_t across_extent = 0, across_to = 0;  // stride in y
  int64_t inner_extent = 0, inner_from = 0;  // stride in x
  int64_t tiles_across = 0, tiles_inner = 0;
};

template <typename From, typename To>
__global__ void __launch_bounds__(kThreads) transpose_kernel(const From* x, To* y, const Transpose t) {
  constexpr int kRowsAtOnce = kThreads / kTile;
  __shared__ From tile[kTile][kTile + 1];
  const int lane = static_cast<int>(threadIdx.x) % kTile, first = static_cast<int>(threadIdx.x) / kTile;
  const int64_t tiles = t.tiles_across * t.tiles_inner * t.batch.count();
  for (int64_t item = blockIdx.x; item < tiles; item += gridDim.x) {
    int64_t rest = item / (t.tiles_across * t.tiles_inner);
    const int64_t in_plane = item - rest * t.tiles_across * t.tiles_inner;
    const int64_t across0 = in_plane % t.tiles_across * kTile, inner0 = in_plane / t.tiles_across * kTile;
    int64_t from = 0, to = 0;
    for (int i = t.batch.rank - 1; i >= 0; --i) {
      const int64_t at = rest % t.batch.extent[i];
      rest /= t.batch.extent[i];
      from += at * t.batch.from[i];
      to += at * t.batch.to[i];
    }
    for (int r = first; r < kTile; r += kRowsAtOnce) {
      if (across0 + lane < t.across_extent && inner0 + r < t.inner_extent) {
        tile[r][lane] = x[from + (inner0 + r) * t.inner_from + across0 + lane];
      }
    }
    __syncthreads();
    for (int r = first; r < kTile; r += kRowsAtOnce) {
      if (across0 + r < t.across_extent && inner0 + lane < t.inner_extent) {
        convert(&tile[lane][r], y + to + (across0 + r) * t.across_to + inner0 + lane);
      }
    }
    __syncthreads();
  }
}

template <typename From, typename To>
void launch_strided(Context& context, const void* x, void* y, const Walk& walk) {
  const int64_t count = walk.count();
  const unsigned grid = grid_for(ceil_div(count, kThreads), context.multiprocessors, 32);
  if (count < (int64_t{1} << 31)) {
    strided_kernel<From, To, uint32_t>
        <<<grid, kThreads, 0, context.compute>>>(x, y, walk, static_cast<uint32_t>(count));
  } else {
    strided_kernel<From, To, int64_t><<<grid, kThreads, 0, context.compute>>>(x, y, walk, count);
  }
  check(cudaGetLastError());
}

/// The walk in units of `elements`, if rows are that wide, aligned and evenly spaced.
bool in_units(const Walk& walk, int64_t elements, Walk& result) {
  const int inner = walk.rank - 1;
  if (walk.from[inner] != 1 || walk.to[inner] != 1 || walk.extent[inner] % elements != 0) return false;
  result = walk;
  result.extent[inner] /= elements;
  for (int i = 0; i < inner; ++i) {
    if (walk.from[i] % elements != 0 || walk.to[i] % elements != 0) return false;
    result.from[i] /= elements;
    result.to[i] /= elements;
  }
  return true;
}

template <typename From, typename To>
bool try_transpose(Context& context, const From* x, To* y, const Walk& walk) {
  const int inner = walk.rank - 1;
  if (walk.rank < 2 || walk.to[inner] != 1 || walk.from[inner] == 1) return false;
  int across = -1;
  for (int i = 0; i < inner; ++i) {
    if (walk.from[i] == 1) across = i;
  }
  // Narrow planes waste most of a tile; the element kernel's partial sectors then cost less.
  if (across < 0 || walk.extent[across] < 8 || walk.extent[inner] < 8) return false;
  Transpose t;
  for (int i = 0; i < inner; ++i) {
    if (i == across) continue;
    t.batch.extent[t.batch.rank] = walk.extent[i];
    t.batch.from[t.batch.rank] = walk.from[i];
    t.batch.to[t.batch.rank++] = walk.to[i];
  }
  t.across_extent = walk.extent[across];
  t.across_to = walk.to[across];
  t.inner_extent = walk.extent[inner];
  t.inner_from = walk.from[inner];
  t.tiles_across = ceil_div(t.across_extent, kTile);
  t.tiles_inner = ceil_div(t.inner_extent, kTile);
  const int64_t tiles = t.tiles_across * t.tiles_inner * t.batch.count();
  transpose_kernel<<<grid_for(tiles, context.multiprocessors, 32), kThreads, 0, context.compute>>>(x, y, t);
  check(cudaGetLastError());
  return true;
}

template <typename From, typename To>
void copy_as(Context& context, const TensorView& x, const TensorView& y, const Walk& walk) {
  Walk units;
  const bool aligned = is_aligned(x.data) && is_aligned(y.data);
  if constexpr (std::is_same_v<From, To>) {
    if (aligned && in_units(walk, 16 / static_cast<int64_t>(sizeof(From)), units)) {
      return launch_strided<uint4, uint4>(context, x.data, y.data, units);
    }
  } else {
    if (aligned && in_units(walk, kVector, units))
      return launch_strided<Eight<From>, Eight<To>>(context, x.data, y.data, units);
  }
  if (try_transpose(context, static_cast<const From*>(x.data), static_cast<To*>(y.data), walk)) return;
  launch_strided<From, To>(context, x.data, y.data, walk);
}

}  // namespace

void copy(Context& context, TensorView x, TensorView y) {
  expect(x.shape == y.shape, [&] { return message("shapes differ: {} and {}", x.shape, y.shape); });
  if (x.count() == 0) return;
  const Walk walk = merged_walk(x, y);
  if (x.dtype == y.dtype) {
    if (walk.rank == 1 && walk.from[0] == 1 && walk.to[0] == 1) {
      if (x.data != y.data)
        check(cudaMemcpyAsync(y.data, x.data, x.bytes(), cudaMemcpyDeviceToDevice, context.compute));
      return;
    }
    switch (size_of(x.dtype)) {
      case 1: return copy_as<uint8_t, uint8_t>(context, x, y, walk);
      case 2: return copy_as<uint16_t, uint16_t>(context, x, y, walk);
      case 4: return copy_as<uint32_t, uint32_t>(context, x, y, walk);
      default: return copy_as<uint64_t, uint64_t>(context, x, y, walk);
    }
  }
  if (x.dtype == DType::kF32 && y.dtype == DType::kBF16) return copy_as<float, __nv_bfloat16>(context, x, y, walk);
  if (x.dtype == DType::kBF16 && y.dtype == DType::kF32) return copy_as<__nv_bfloat16, float>(context, x, y, walk);
  if (x.dtype == DType::kF16 && y.dtype == DType::kF32) return copy_as<__half, float>(context, x, y, walk);
  if (x.dtype == DType::kF16 && y.dtype == DType::kBF16) return copy_as<__half, __nv_bfloat16>(context, x, y, walk);
  throw Error(message("copy cannot convert {} to {}", name_of(x.dtype), name_of(y.dtype)));
}

}  // namespace wan::cuda
