// RMSNorm of token rows, rotary embedding, and both in one pass.
// Algorithm: a row in registers, read once. bf16 rows of the models' widths take a warp each (no barrier, 192 to 320
// bytes a lane in flight); other aligned rows a block each, eight elements a thread, the next row's loads in flight;
// the rest a plain two-pass block. Bytes per bf16 element: 2 read + 2 written, and 8 bytes of cosine and sine for each
// of Dh/2 pairs of a row, shared by its heads; about 10 operations. Bound by memory.
#include "backend/cuda/launch.h"
#include "backend/cuda/rms_norm.h"
#include "backend/cuda/vector.cuh"

namespace wan::cuda {
namespace {

constexpr int kMostThreads = 1024, kPlainThreads = 256;
constexpr int64_t kMostWidth = int64_t{kMostThreads} * kVector;
constexpr int kPairs = kVector / 2;

struct Arguments {
  const void* x = nullptr;
  void* y = nullptr;
  int64_t x_stride = 0, y_stride = 0;
  const float* weight = nullptr;
  const float* cos = nullptr;
  const float* sin = nullptr;
  int64_t cos_stride = 0, sin_stride = 0;
  int half_head = 1;  // pairs of a head
  int64_t rows = 0;
  int width = 0;
  float eps = 0;
};

__device__ void rotate(float (&v)[kVector], float4 cos, float4 sin) {
  const float c[kPairs] = {cos.x, cos.y, cos.z, cos.w}, s[kPairs] = {sin.x, sin.y, sin.z, sin.w};
#pragma unroll
  for (int j = 0; j < kPairs; ++j) {
    const float even = v[2 * j], odd = v[2 * j + 1];
    v[2 * j] = even * c[j] - odd * s[j];
    v[2 * j + 1] = even * s[j] + odd * c[j];
  }
}

/// A block a row of whole vectors, at most kMostWidth wide; heads of whole vectors.
template <typename X, typename Y, bool kNorm, bool kRope>
__global__ void __launch_bounds__(kMostThreads) rms_kernel(const Arguments a) {
  __shared__ float partial[2][32];
  const int column = static_cast<int>(threadIdx.x) * kVector, pair = column / 2 % a.half_head;
  const bool has = column < a.width;
  const X* const x = static_cast<const X*>(a.x) + column;
  Y* const y = static_cast<Y*>(a.y) + column;
  float weight[kVector] = {};
  if (kNorm && has) load_vector<Cache::kKeep>(a.weight + column, weight);
  Packed<X> next{};
  if (has) next = load_packed<Cache::kKeep>(x + blockIdx.x * a.x_stride);
  int turn = 0;
  for (int64_t row = blockIdx.x; row < a.rows; row += gridDim.x, turn ^= 1) {
    float v[kVector];
    unpack(next, v);
    if (row + gridDim.x < a.rows && has) next = load_packed<Cache::kKeep>(x + (row + gridDim.x) * a.x_stride);
    float4 cos{}, sin{};
    if (kRope && has) {
      cos = __ldg(reinterpret_cast<const float4*>(a.cos + row * a.cos_stride + pair));
      sin = __ldg(reinterpret_cast<const float4*>(a.sin + row * a.sin_stride + pair));
    }
    if constexpr (kNorm) {
      float square = 0;
#pragma unroll
      for (int i = 0; i < kVector; ++i) square += v[i] * v[i];
      const float inverse = rsqrtf(sum_block(square, partial[turn]) / static_cast<float>(a.width) + a.eps);
#pragma unroll
      for (int i = 0; i < kVector; ++i) v[i] *= inverse * weight[i];
    }
    if constexpr (kRope) rotate(v, cos, sin);
    if (has) store_vector<Cache::kKeep>(y + row * a.y_stride, v);
  }
}

/// Any width and alignment: a block a row, one pair at a time, the row read again from cache for the second pass.
template <typename X, typename Y, bool kNorm, bool kRope>
__global__ void __launch_bounds__(kPlainThreads) rms_plain_kernel(const Arguments a) {
  __shared__ float partial[2][32];
  int turn = 0;
  for (int64_t row = blockIdx.x; row < a.rows; row += gridDim.x, turn ^= 1) {
    const X* const x = static_cast<const X*>(a.x) + row * a.x_stride;
    Y* const y = static_cast<Y*>(a.y) + row * a.y_stride;
    float inverse = 1;
    if constexpr (kNorm) {
      float square = 0;
      for (int c = static_cast<int>(threadIdx.x); c < a.width; c += kPlainThreads)
        square += to_float(x[c]) * to_float(x[c]);
      inverse = rsqrtf(sum_block(square, partial[turn]) / static_cast<float>(a.width) + a.eps);
    }
    const auto value = [&](int c) { return to_float(x[c]) * (kNorm ? inverse * a.weight[c] : 1.0f); };
    for (int c = 2 * static_cast<int>(threadIdx.x); c < a.width; c += 2 * kPlainThreads) {
      float even = value(c), odd = c + 1 < a.width ? value(c + 1) : 0.0f;
      if constexpr (kRope) {
        const float cos = a.cos[row * a.cos_stride + c / 2 % a.half_head],
                    sin = a.sin[row * a.sin_stride + c / 2 % a.half_head];
        const float turned = even * cos - odd * sin;
        odd = even * sin + odd * cos;
        even = turned;
      }
      y[c] = from_float<Y>(even);
      if (c + 1 < a.width) y[c + 1] = from_float<Y>(odd);
    }
  }
}

// ---- a warp per row
// -------------------------------------------------------------------------------------------------- For bf16 rows of
// kChunks x 256 elements: the whole row in a warp's registers, no barrier, and one quarter of a head's cosines a lane
// because 256 columns are whole heads. The weight is read from shared memory.

constexpr int kWarpThreads = 128;
constexpr int kChunkWidth = 32 * kVector;

/// Keeps the compiler from holding the row unpacked, in twice the registers, from the sum to the product.
__device__ inline void forget(uint4& part) {
  asm volatile("" : "+r"(part.x), "+r"(part.y), "+r"(part.z), "+r"(part.w));
}

template <int kChunks, bool kRope>
__global__ void __launch_bounds__(kWarpThreads, kChunks <= 12 ? 4 : 3) rms_warp_kernel(const Arguments a) {
  __shared__ float4 weight[kChunks * kChunkWidth / 4];
  for (int i = static_cast<int>(threadIdx.x); i < kChunks * kChunkWidth / 4; i += kWarpThreads) {
    weight[i] = reinterpret_cast<const float4*>(a.weight)[i];
  }
  __syncthreads();
  const int lane = static_cast<int>(threadIdx.x) % 32;
  const int64_t warps = static_cast<int64_t>(gridDim.x) * (kWarpThreads / 32);
  for (int64_t row = (static_cast<int64_t>(blockIdx.x) * kWarpThreads + threadIdx.x) / 32; row < a.rows; row += warps) {
    const __nv_bfloat16* const x = static_cast<const __nv_bfloat16*>(a.x) + row * a.x_stride + lane * kVector;
    __nv_bfloat16* const y = static_cast<__nv_bfloat16*>(a.y) + row * a.y_stride + lane * kVector;
    Packed<__nv_bfloat16> packed[kChunks];
#pragma unroll
    for (int c = 0; c < kChunks; ++c) packed[c] = load_packed<Cache::kStream>(x + c * kChunkWidth);
    float4 cos{}, sin{};
    if constexpr (kRope) {
      const int pair = lane * kPairs % a.half_head;
      cos = __ldg(reinterpret_cast<const float4*>(a.cos + row * a.cos_stride + pair));
      sin = __ldg(reinterpret_cast<const float4*>(a.sin + row * a.sin_stride + pair));
    }
    float square = 0;
#pragma unroll
    for (int c = 0; c < kChunks; ++c) {
      float v[kVector];
      unpack(packed[c], v);
#pragma unroll
      for (int i = 0; i < kVector; ++i) square += v[i] * v[i];
    }
    const float inverse = rsqrtf(sum_lanes(square, 32) / static_cast<float>(kChunks * kChunkWidth) + a.eps);
#pragma unroll
    for (int c = 0; c < kChunks; ++c) {
      float v[kVector];
      forget(packed[c].part[0]);
      unpack(packed[c], v);
      const float4 low = weight[(c * 32 + lane) * 2], high = weight[(c * 32 + lane) * 2 + 1];
      const float w[kVector] = {low.x, low.y, low.z, low.w, high.x, high.y, high.z, high.w};
#pragma unroll
      for (int i = 0; i < kVector; ++i) v[i] *= inverse * w[i];
      if constexpr (kRope) rotate(v, cos, sin);
      store_vector<Cache::kKeep>(y + c * kChunkWidth, v);
    }
  }
}

/// Launches the warp form if there is one for this width: the two DiTs' and the text encoder's.
template <bool kRope>
bool try_warp_rows(Context& context, const Arguments& a) {
  if (a.width % kChunkWidth != 0 || (kRope && kChunkWidth % (2 * a.half_head) != 0)) return false;
  const auto launch = [&](auto kernel) {
    int blocks = 0;
    check(cudaOccupancyMaxActiveBlocksPerMultiprocessor(&blocks, kernel, kWarpThreads, 0));
    const unsigned grid = grid_for(ceil_div(a.rows, kWarpThreads / 32), context.multiprocessors, blocks);
    kernel<<<grid, kWarpThreads, 0, context.compute>>>(a);
    check(cudaGetLastError());
    return true;
  };
  switch (a.width / kChunkWidth) {
    case 12: return launch(rms_warp_kernel<12, kRope>);
    case 16: return launch(rms_warp_kernel<16, kRope>);
    case 20: return launch(rms_warp_kernel<20, kRope>);
    default: return false;
  }
}

// ---- launching
// -------------------------------------------------------------------------------------------------------

template <typename X, typename Y, bool kNorm, bool kRope>
void launch(Context& context, const Arguments& a, bool aligned) {
  if (!aligned) {
    const unsigned grid = grid_for(a.rows, context.multiprocessors);
    rms_plain_kernel<X, Y, kNorm, kRope><<<grid, kPlainThreads, 0, context.compute>>>(a);
    return check(cudaGetLastError());
  }
  const int threads = static_cast<int>(ceil_div(a.width, kVector * 32) * 32);
  const auto kernel = rms_kernel<X, Y, kNorm, kRope>;
  int blocks = 0;
  check(cudaOccupancyMaxActiveBlocksPerMultiprocessor(&blocks, kernel, threads, 0));
  kernel<<<grid_for(a.rows, context.multiprocessors, blocks), threads, 0, context.compute>>>(a);
  check(cudaGetLastError());
}

struct Call {
  TensorView x{}, weight{}, cos{}, sin{}, y{};
  int64_t heads = 1;
  float eps = 0;
};

void check_table(const TensorView& table, int64_t rows, int64_t half_head, const char* name) {
  expect(table.rank() == 2 && table.shape[0] == rows && table.shape[1] == half_head && table.stride(1) == 1,
         [&] { return message("{} must be [{}, {}], found {}", name, rows, half_head, table.shape); });
}

template <bool kNorm, bool kRope>
void run(Context& context, const Call& call) {
  const TensorView &x = call.x, &y = call.y;
  expect(x.rank() == 2 && x.shape == y.shape && x.stride(1) == 1 && y.stride(1) == 1, [&] {
    return message("x and y must be rows of one shape with unit inner stride, found {} and {}", x.shape, y.shape);
  });
  if (x.count() == 0) return;
  const int64_t width = x.shape[1];
  Arguments a;
  a.x = x.data;
  a.y = y.data;
  a.x_stride = row_stride(x);
  a.y_stride = row_stride(y);
  a.rows = x.shape[0];
  a.width = static_cast<int>(width);
  a.eps = call.eps;
  bool aligned = width <= kMostWidth && rows_are_aligned(x, kVector) && rows_are_aligned(y, kVector);
  if constexpr (kNorm) {
    require_op(call.weight.rank() == 1 && call.weight.shape[0] == width && call.weight.is_contiguous(),
               "weight must be F32 [D]");
    a.weight = call.weight.as<float>();
    aligned = aligned && is_aligned(a.weight);
  }
  if constexpr (kRope) {
    expect(call.heads > 0 && width % (2 * call.heads) == 0,
           [&] { return message("{} heads do not divide rows of {} into pairs", call.heads, width); });
    a.half_head = static_cast<int>(width / call.heads / 2);
    check_table(call.cos, a.rows, a.half_head, "cos");
    check_table(call.sin, a.rows, a.half_head, "sin");
    a.cos = call.cos.as<float>();
    a.sin = call.sin.as<float>();
    a.cos_stride = row_stride(call.cos);
    a.sin_stride = row_stride(call.sin);
    aligned = aligned && rows_are_aligned(call.cos, kPairs) && rows_are_aligned(call.sin, kPairs);
  }
  if constexpr (kNorm) {
    if (aligned && x.dtype == DType::kBF16 && y.dtype == DType::kBF16 && try_warp_rows<kRope>(context, a)) return;
  }
  with_float_type(x, [&]<typename X>(X*) {
    with_float_type(y, [&]<typename Y>(Y*) { launch<X, Y, kNorm, kRope>(context, a, aligned); });
  });
}

}  // namespace

void rms_norm(Context& context, TensorView x, TensorView weight, float eps, TensorView y) {
  run<true, false>(context, {.x = x, .weight = weight, .y = y, .eps = eps});
}

void rope(Context& context, TensorView x, TensorView cos, TensorView sin, int64_t heads, TensorView y) {
  run<false, true>(context, {.x = x, .cos = cos, .sin = sin, .y = y, .heads = heads});
}

void rms_norm_rope(Context& context, TensorView x, TensorView weight, float eps, TensorView cos, TensorView sin,
                   int64_t heads, TensorView y) {
  run<true, true>(context, {.x = x, .weight = weight, .cos = cos, .sin = sin, .y = y, .heads = heads, .eps = eps});
}

}  // namespace wan::cuda
