// LayerNorm of token rows, alone and fused with the gated residual before it.
// Algorithm: a block per row, eight elements a thread held in registers, mean then centred squares by two block
// reductions; a block walks rows with the next row's loads in flight and keeps gate, scale and shift in registers while
// the row's modulation stays the same. Bytes of the fused form per element: x 4 read + 4 written, y 2, n 2; about 20
// operations. Bound by memory.
#include "backend/cuda/launch.h"
#include "backend/cuda/norm.h"
#include "backend/cuda/vector.cuh"

namespace wan::cuda {
namespace {

constexpr int kMostThreads = 1024, kPlainThreads = 256;
constexpr int64_t kMostWidth = int64_t{kMostThreads} * kVector;

enum class Work { kNorm, kResidual, kBoth };

struct Rows {
  void* data = nullptr;
  int64_t stride = 0;
};

struct Coefficients {  // one row for each value of row_index; null stands for ones (gate, scale) or zeros (shift)
  const float* data = nullptr;
  int64_t stride = 0;
};

struct Arguments {
  Rows x, y, n;
  Coefficients gate, scale, shift;
  float scale_offset = 0;  // 1 when n = LN (1 + scale) + shift
  const int32_t* row_index = nullptr;
  int64_t rows = 0;
  int width = 0;
  float eps = 0;
};

__device__ float coefficient(Coefficients from, int64_t index, int column, float otherwise) {
  return from.data == nullptr ? otherwise : from.data[index * from.stride + column];
}

/// Eight neighbouring coefficients of row `index`, `offset` added.
__device__ void load_coefficients(Coefficients from, int64_t index, int column, float offset, float otherwise,
                                  float (&to)[kVector]) {
#pragma unroll
  for (int i = 0; i < kVector; ++i) to[i] = otherwise;
  if (from.data == nullptr) return;
  load_vector<Cache::kKeep>(from.data + index * from.stride + column, to);
#pragma unroll
  for (int i = 0; i < kVector; ++i) to[i] += offset;
}

__device__ int row_of_coefficients(const Arguments& a, int64_t row) {
  return a.row_index == nullptr ? 0 : __ldg(a.row_index + row);
}

/// (v - mean) / sqrt(variance + eps) over the block; threads without elements pass zeros and `has` false.
__device__ void normalise(float (&v)[kVector], bool has, const Arguments& a, float* partial_mean,
                          float* partial_square) {
  float sum = 0, square = 0;
#pragma unroll
  for (int i = 0; i < kVector; ++i) sum += v[i];
  const float mean = sum_block(sum, partial_mean) / static_cast<float>(a.width);
#pragma unroll
  for (int i = 0; i < kVector; ++i) {
    v[i] = has ? v[i] - mean : 0.0f;
    square += v[i] * v[i];
  }
  const float inverse = rsqrtf(sum_block(square, partial_square) / static_cast<float>(a.width) + a.eps);
#pragma unroll
  for (int i = 0; i < kVector; ++i) v[i] *= inverse;
}

/// Rows of whole vectors, at most kMostWidth wide.
template <typename X, typename Y, typename N, Work kWork>
__global__ void __launch_bounds__(kMostThreads) norm_kernel(const Arguments a) {
  __shared__ float partial_mean[32], partial_square[32];
  constexpr bool kHasResidual = kWork != Work::kNorm, kHasNorm = kWork != Work::kResidual;
  const int column = static_cast<int>(threadIdx.x) * kVector;
  const bool has = column < a.width;
  X* const x = static_cast<X*>(a.x.data) + column;
  const Y* const y = static_cast<const Y*>(a.y.data) + column;
  N* const n = static_cast<N*>(a.n.data) + column;

  Packed<X> x_next{};
  Packed<Y> y_next{};
  const auto load = [&](int64_t row) {
    if (!has) return;
    x_next = load_packed<Cache::kStream>(x + row * a.x.stride);
    if constexpr (kHasResidual) y_next = load_packed<Cache::kStream>(y + row * a.y.stride);
  };
  load(blockIdx.x);
  int index = row_of_coefficients(a, blockIdx.x), held = -1;
  float gate[kVector], scale[kVector], shift[kVector];
  for (int64_t row = blockIdx.x; row < a.rows; row += gridDim.x) {
    if (index != held && has) {
      if constexpr (kHasResidual) load_coefficients(a.gate, index, column, 0.0f, 1.0f, gate);
      if constexpr (kHasNorm) load_coefficients(a.scale, index, column, a.scale_offset, 1.0f, scale);
      if constexpr (kHasNorm) load_coefficients(a.shift, index, column, 0.0f, 0.0f, shift);
      held = index;
    }
    float v[kVector];
    unpack(x_next, v);
    if constexpr (kHasResidual) {
      float branch[kVector];
      unpack(y_next, branch);
#pragma unroll
      for (int i = 0; i < kVector; ++i) v[i] = has ? v[i] + branch[i] * gate[i] : 0.0f;
    }
    const int64_t next = row + gridDim.x;
    if (next < a.rows) {
      load(next);
      index = row_of_coefficients(a, next);
    }
    if constexpr (kHasResidual) {
      if (has) store_vector<Cache::kStream>(x + row * a.x.stride, v);
    }
    if constexpr (kHasNorm) {
      normalise(v, has, a, partial_mean, partial_square);
      if (!has) continue;
#pragma unroll
      for (int i = 0; i < kVector; ++i) v[i] = v[i] * scale[i] + shift[i];
      store_vector<Cache::kKeep>(n + row * a.n.stride, v);
    }
  }
}

/// Any width and alignment: a block a row, one element at a time, the row read again from cache for each pass.
template <typename X, typename Y, typename N, Work kWork>
__global__ void __launch_bounds__(kPlainThreads) norm_plain_kernel(const Arguments a) {
  __shared__ float partial_mean[32], partial_square[32];
  const int first = static_cast<int>(threadIdx.x);
  for (int64_t row = blockIdx.x; row < a.rows; row += gridDim.x) {
    X* const x = static_cast<X*>(a.x.data) + row * a.x.stride;
    const int64_t index = row_of_coefficients(a, row);
    if constexpr (kWork != Work::kNorm) {
      const Y* const y = static_cast<const Y*>(a.y.data) + row * a.y.stride;
      for (int c = first; c < a.width; c += kPlainThreads) {
        x[c] = from_float<X>(to_float(x[c]) + to_float(y[c]) * coefficient(a.gate, index, c, 1.0f));
      }
    }
    if constexpr (kWork != Work::kResidual) {
      N* const n = static_cast<N*>(a.n.data) + row * a.n.stride;
      float sum = 0, square = 0;
      for (int c = first; c < a.width; c += kPlainThreads) sum += to_float(x[c]);
      const float mean = sum_block(sum, partial_mean) / static_cast<float>(a.width);
      for (int c = first; c < a.width; c += kPlainThreads) square += (to_float(x[c]) - mean) * (to_float(x[c]) - mean);
      const float inverse = rsqrtf(sum_block(square, partial_square) / static_cast<float>(a.width) + a.eps);
      for (int c = first; c < a.width; c += kPlainThreads) {
        const float scale = a.scale.data == nullptr ? 1.0f : a.scale_offset + coefficient(a.scale, index, c, 0.0f);
        n[c] = from_float<N>((to_float(x[c]) - mean) * inverse * scale + coefficient(a.shift, index, c, 0.0f));
      }
    }
  }
}

template <typename X, typename Y, typename N, Work kWork>
void launch(Context& context, const Arguments& arguments, bool aligned) {
  if (!aligned) {
    const unsigned grid = grid_for(arguments.rows, context.multiprocessors);
    norm_plain_kernel<X, Y, N, kWork><<<grid, kPlainThreads, 0, context.compute>>>(arguments);
    return check(cudaGetLastError());
  }
  const int threads = static_cast<int>(ceil_div(arguments.width, kVector * 32) * 32);
  const auto kernel = norm_kernel<X, Y, N, kWork>;
  int blocks = 0;
  check(cudaOccupancyMaxActiveBlocksPerMultiprocessor(&blocks, kernel, threads, 0));
  kernel<<<grid_for(arguments.rows, context.multiprocessors, blocks), threads, 0, context.compute>>>(arguments);
  check(cudaGetLastError());
}

void check_rows(const TensorView& rows, const TensorView& like, const char* name) {
  expect(rows.rank() == 2 && rows.shape == like.shape && rows.stride(1) == 1 && is_float(rows), [&] {
    return message("{} must be F32 or BF16 rows {} with unit inner stride, found {} {}", name, like.shape,
                   name_of(rows.dtype), rows.shape);
  });
}

struct Aligned {
  bool value = true;
  void also(const TensorView& rows) { value = value && (rows.empty() || rows_are_aligned(rows, kVector)); }
};

Coefficients coefficients(const TensorView& view, int64_t width, const char* name) {
  if (view.empty()) return {};
  const bool row = view.rank() == 1 || view.rank() == 2;
  expect(row && view.shape[-1] == width && view.stride(-1) == 1 && view.dtype == DType::kF32,
         [&] { return message("{} must be F32 [{}] or [U, {}], found {}", name, width, width, view.shape); });
  return {view.as<float>(), view.rank() == 2 ? row_stride(view) : 0};
}

const int32_t* checked_index(const TensorView& row_index, int64_t rows) {
  if (row_index.empty()) return nullptr;
  require_op(row_index.rank() == 1 && row_index.shape[0] == rows && row_index.is_contiguous(),
             "row_index must be I32 [L]");
  return row_index.as<int32_t>();
}

struct Call {
  TensorView x{}, y{}, n{}, gate{}, scale{}, shift{}, row_index{};
  float scale_offset = 0, eps = 0;
};

template <Work kWork>
void run(Context& context, const Call& call) {
  const TensorView& x = call.x;
  require_op(x.rank() == 2, "x must be rows [L, D]");
  check_rows(x, x, "x");
  if (x.count() == 0) return;
  const int64_t width = x.shape[1];
  Arguments a;
  Aligned aligned{width <= kMostWidth};
  a.x = {x.data, row_stride(x)};
  a.rows = x.shape[0];
  a.width = static_cast<int>(width);
  a.eps = call.eps;
  a.scale_offset = call.scale_offset;
  a.row_index = checked_index(call.row_index, x.shape[0]);
  a.gate = coefficients(call.gate, width, "gate");
  a.scale = coefficients(call.scale, width, "scale or weight");
  a.shift = coefficients(call.shift, width, "shift or bias");
  aligned.also(x);
  for (const Coefficients& c : {a.gate, a.scale, a.shift})
    aligned.value = aligned.value && is_aligned(c.data) && c.stride % 4 == 0;
  if constexpr (kWork != Work::kNorm) {
    check_rows(call.y, x, "y");
    require_op(x.dtype == DType::kF32, "the residual x must be F32");
    a.y = {call.y.data, row_stride(call.y)};
    aligned.also(call.y);
  }
  if constexpr (kWork != Work::kResidual) {
    check_rows(call.n, x, "the normalised output");
    a.n = {call.n.data, row_stride(call.n)};
    aligned.also(call.n);
  }
  if constexpr (kWork == Work::kNorm) {
    with_float_type(x, [&]<typename X>(X*) {
      with_float_type(call.n, [&]<typename N>(N*) { launch<X, float, N, kWork>(context, a, aligned.value); });
    });
  } else if constexpr (kWork == Work::kResidual) {
    with_float_type(call.y, [&]<typename Y>(Y*) { launch<float, Y, float, kWork>(context, a, aligned.value); });
  } else {
    with_float_type(call.y, [&]<typename Y>(Y*) {
      with_float_type(call.n, [&]<typename N>(N*) { launch<float, Y, N, kWork>(context, a, aligned.value); });
    });
  }
}

}  // namespace

void layer_norm(Context& context, TensorView x, TensorView weight, TensorView bias, float eps, TensorView y) {
  run<Work::kNorm>(context, {.x = x, .n = y, .scale = weight, .shift = bias, .eps = eps});
}

void modulated_layer_norm(Context& context, TensorView x, TensorView shift, TensorView scale, TensorView row_index,
                          float eps, TensorView y) {
  run<Work::kNorm>(
      context, {.x = x, .n = y, .scale = scale, .shift = shift, .row_index = row_index, .scale_offset = 1, .eps = eps});
}

void gated_residual(Context& context, TensorView x, TensorView y, TensorView gate, TensorView row_index) {
  run<Work::kResidual>(context, {.x = x, .y = y, .gate = gate, .row_index = row_index});
}

void gated_residual_modulated_norm(Context& context, TensorView x, TensorView y, TensorView gate, TensorView shift,
                                   TensorView scale, TensorView row_index, float eps, TensorView n) {
  run<Work::kBoth>(context, {.x = x,
                             .y = y,
                             .n = n,
                             .gate = gate,
                             .scale = scale,
                             .shift = shift,
                             .row_index = row_index,
                             .scale_offset = 1,
                             .eps = eps});
}

void gated_residual_layer_norm(Context& context, TensorView x, TensorView y, TensorView gate, TensorView row_index,
                               TensorView weight, TensorView bias, float eps, TensorView n) {
  run<Work::kBoth>(
      context,
      {.x = x, .y = y, .n = n, .gate = gate, .scale = weight, .shift = bias, .row_index = row_index, .eps = eps});
}

}  // namespace wan::cuda
