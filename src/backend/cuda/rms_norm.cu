// RMSNorm of token rows, rotary embedding, and both in one pass.
// Algorithm: a block per row, eight elements (four pairs) a thread in registers, one block reduction; a block walks
// rows with the next row's loads in flight and the weight in registers. Bytes per bf16 element: 2 read + 2 written, and
// 8 bytes of cosine and sine for each of Dh/2 pairs of a row, shared by its heads; about 10 operations. Bound by
// memory.
#include "backend/cuda/launch.h"
#include "backend/cuda/rms_norm.h"
#include "backend/cuda/vector.cuh"

namespace wan::cuda {
namespace {

constexpr int kMostThreads = 1024;
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

/// This thread's elements of a row: eight neighbours, or four pairs blockDim.x pairs apart where rows are not aligned.
/// Both keep a rotation's pair together.
template <bool kAligned>
__device__ int column(int i) {
  return kAligned ? static_cast<int>(threadIdx.x) * kVector + i
                  : 2 * static_cast<int>(threadIdx.x + (i / 2) * blockDim.x) + i % 2;
}

template <bool kAligned, typename T>
__device__ void load_row(const T* row, int width, float (&to)[kVector]) {
  if constexpr (kAligned) {
    if (column<true>(0) < width) load_vector<Cache::kKeep>(row + column<true>(0), to);
  } else {
#pragma unroll
    for (int i = 0; i < kVector; ++i) {
      if (column<false>(i) < width) to[i] = to_float(row[column<false>(i)]);
    }
  }
}

template <bool kAligned, typename T>
__device__ void store_row(T* row, int width, const float (&values)[kVector]) {
  if constexpr (kAligned) {
    if (column<true>(0) < width) store_vector<Cache::kKeep>(row + column<true>(0), values);
  } else {
#pragma unroll
    for (int i = 0; i < kVector; ++i) {
      if (column<false>(i) < width) row[column<false>(i)] = from_float<T>(values[i]);
    }
  }
}

template <bool kAligned>
__device__ void rotate(const Arguments& a, int64_t row, float (&v)[kVector]) {
  const float* const cos_row = a.cos + row * a.cos_stride;
  const float* const sin_row = a.sin + row * a.sin_stride;
  float c[kPairs], s[kPairs];
  if constexpr (kAligned) {
    if (column<true>(0) >= a.width) return;
    const int pair = column<true>(0) / 2 % a.half_head;
    const float4 c4 = *reinterpret_cast<const float4*>(cos_row + pair);
    const float4 s4 = *reinterpret_cast<const float4*>(sin_row + pair);
    c[0] = c4.x, c[1] = c4.y, c[2] = c4.z, c[3] = c4.w;
    s[0] = s4.x, s[1] = s4.y, s[2] = s4.z, s[3] = s4.w;
  } else {
#pragma unroll
    for (int j = 0; j < kPairs; ++j) {
      const int at = column<false>(2 * j);
      c[j] = at < a.width ? cos_row[at / 2 % a.half_head] : 0.0f;
      s[j] = at < a.width ? sin_row[at / 2 % a.half_head] : 0.0f;
    }
  }
#pragma unroll
  for (int j = 0; j < kPairs; ++j) {
    const float even = v[2 * j], odd = v[2 * j + 1];
    v[2 * j] = even * c[j] - odd * s[j];
    v[2 * j + 1] = even * s[j] + odd * c[j];
  }
}

template <typename X, typename Y, bool kNorm, bool kRope, bool kAligned>
__global__ void __launch_bounds__(kMostThreads) rms_kernel(const Arguments a) {
  __shared__ float partial[2][32];
  const X* const x = static_cast<const X*>(a.x);
  Y* const y = static_cast<Y*>(a.y);
  float weight[kVector] = {};
  if constexpr (kNorm) load_row<kAligned>(a.weight, a.width, weight);
  float next[kVector] = {};
  load_row<kAligned>(x + blockIdx.x * a.x_stride, a.width, next);
  int turn = 0;
  for (int64_t row = blockIdx.x; row < a.rows; row += gridDim.x, turn ^= 1) {
    float v[kVector];
#pragma unroll
    for (int i = 0; i < kVector; ++i) v[i] = next[i];
    if (row + gridDim.x < a.rows) load_row<kAligned>(x + (row + gridDim.x) * a.x_stride, a.width, next);
    if constexpr (kNorm) {
      float square = 0;
#pragma unroll
      for (int i = 0; i < kVector; ++i) square += v[i] * v[i];
      const float inverse = rsqrtf(sum_block(square, partial[turn]) / static_cast<float>(a.width) + a.eps);
#pragma unroll
      for (int i = 0; i < kVector; ++i) v[i] *= inverse * weight[i];
    }
    if constexpr (kRope) rotate<kAligned>(a, row, v);
    store_row<kAligned>(y + row * a.y_stride, a.width, v);
  }
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
  expect(width <= kMostWidth,
         [&] { return message("rows of at most {} elements are supported, found {}", kMostWidth, width); });
  Arguments a;
  a.x = x.data;
  a.y = y.data;
  a.x_stride = row_stride(x);
  a.y_stride = row_stride(y);
  a.rows = x.shape[0];
  a.width = static_cast<int>(width);
  a.eps = call.eps;
  bool aligned = rows_are_aligned(x, kVector) && rows_are_aligned(y, kVector);
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
  with_float_type(x, [&]<typename X>(X*) {
    with_float_type(y, [&]<typename Y>(Y*) {
      const int threads = static_cast<int>(ceil_div(width, kVector * 32) * 32);
      const auto kernel = aligned ? rms_kernel<X, Y, kNorm, kRope, true> : rms_kernel<X, Y, kNorm, kRope, false>;
      int blocks = 0;
      check(cudaOccupancyMaxActiveBlocksPerMultiprocessor(&blocks, kernel, threads, 0));
      kernel<<<grid_for(a.rows, context.multiprocessors, blocks), threads, 0, context.compute>>>(a);
      check(cudaGetLastError());
    });
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
