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

constexpr int kMostThreads = 1024;
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

/// This thread's elements of a row: eight neighbours, or every blockDim.x-th where rows are not aligned.
template <bool kAligned>
struct Columns {
  int width;
  __device__ int at(int i) const {
    return kAligned ? static_cast<int>(threadIdx.x) * kVector + i : static_cast<int>(threadIdx.x + i * blockDim.x);
  }
  __device__ bool has(int i) const {
    return kAligned ? static_cast<int>(threadIdx.x) * kVector < width : at(i) < width;
  }
};

template <bool kAligned, typename T>
struct Chunk;
template <typename T>
struct Chunk<true, T> {
  Packed<T> packed{};
  __device__ void load(const T* row, Columns<true> columns) {
    if (columns.has(0)) packed = load_packed<Cache::kStream>(row + columns.at(0));
  }
  __device__ void values(float (&to)[kVector]) const { unpack(packed, to); }
};
template <typename T>
struct Chunk<false, T> {
  float held[kVector] = {};
  __device__ void load(const T* row, Columns<false> columns) {
#pragma unroll
    for (int i = 0; i < kVector; ++i) {
      if (columns.has(i)) held[i] = to_float(row[columns.at(i)]);
    }
  }
  __device__ void values(float (&to)[kVector]) const {
#pragma unroll
    for (int i = 0; i < kVector; ++i) to[i] = held[i];
  }
};

template <Cache kCache, typename T>
__device__ void store(T* row, Columns<true> columns, const float (&values)[kVector]) {
  if (columns.has(0)) store_vector<kCache>(row + columns.at(0), values);
}
template <Cache kCache, typename T>
__device__ void store(T* row, Columns<false> columns, const float (&values)[kVector]) {
#pragma unroll
  for (int i = 0; i < kVector; ++i) {
    if (columns.has(i)) row[columns.at(i)] = from_float<T>(values[i]);
  }
}

template <bool kAligned>
__device__ void load_coefficients(Coefficients from, int64_t index, Columns<kAligned> columns, float offset,
                                  float otherwise, float (&to)[kVector]) {
#pragma unroll
  for (int i = 0; i < kVector; ++i) to[i] = otherwise;
  if (from.data == nullptr) return;
  const float* row = from.data + index * from.stride;
  if constexpr (kAligned) {
    if (!columns.has(0)) return;
    load_vector<Cache::kKeep>(row + columns.at(0), to);
  } else {
#pragma unroll
    for (int i = 0; i < kVector; ++i) {
      if (columns.has(i)) to[i] = row[columns.at(i)];
    }
  }
#pragma unroll
  for (int i = 0; i < kVector; ++i) to[i] += offset;
}

template <bool kAligned>
__device__ void normalise(const float (&v)[kVector], Columns<kAligned> columns, float eps, float* partial_mean,
                          float* partial_square, float (&out)[kVector]) {
  float sum = 0;
#pragma unroll
  for (int i = 0; i < kVector; ++i) sum += v[i];  // elements a thread does not have are zero
  const float mean = sum_block(sum, partial_mean) / static_cast<float>(columns.width);
  float square = 0;
#pragma unroll
  for (int i = 0; i < kVector; ++i) {
    out[i] = columns.has(i) ? v[i] - mean : 0.0f;
    square += out[i] * out[i];
  }
  const float inverse = rsqrtf(sum_block(square, partial_square) / static_cast<float>(columns.width) + eps);
#pragma unroll
  for (int i = 0; i < kVector; ++i) out[i] *= inverse;
}

template <typename X, typename Y, typename N, Work kWork, bool kAligned>
__global__ void __launch_bounds__(kMostThreads) norm_kernel(const Arguments a) {
  __shared__ float partial_mean[32], partial_square[32];
  constexpr bool kHasResidual = kWork != Work::kNorm, kHasNorm = kWork != Work::kResidual;
  const Columns<kAligned> columns{a.width};
  X* const x = static_cast<X*>(a.x.data);
  const Y* const y = static_cast<const Y*>(a.y.data);
  const auto index_of = [&](int64_t row) { return a.row_index == nullptr ? 0 : __ldg(a.row_index + row); };

  int64_t row = blockIdx.x;
  Chunk<kAligned, X> x_chunk;
  Chunk<kAligned, Y> y_chunk;
  x_chunk.load(x + row * a.x.stride, columns);
  if constexpr (kHasResidual) y_chunk.load(y + row * a.y.stride, columns);
  int index = index_of(row), held = -1;
  float gate[kVector], scale[kVector], shift[kVector];
  for (; row < a.rows; row += gridDim.x) {
    if (index != held) {
      if constexpr (kHasResidual) load_coefficients(a.gate, index, columns, 0.0f, 1.0f, gate);
      if constexpr (kHasNorm) {
        load_coefficients(a.scale, index, columns, a.scale_offset, 1.0f, scale);
        load_coefficients(a.shift, index, columns, 0.0f, 0.0f, shift);
      }
      held = index;
    }
    float v[kVector];
    x_chunk.values(v);
    if constexpr (kHasResidual) {
      float branch[kVector];
      y_chunk.values(branch);
#pragma unroll
      for (int i = 0; i < kVector; ++i) v[i] += branch[i] * gate[i];
    }
    const int64_t next = row + gridDim.x;
    if (next < a.rows) {
      x_chunk.load(x + next * a.x.stride, columns);
      if constexpr (kHasResidual) y_chunk.load(y + next * a.y.stride, columns);
      index = index_of(next);
    }
    if constexpr (kHasResidual) store<Cache::kStream>(x + row * a.x.stride, columns, v);
    if constexpr (kHasNorm) {
      float out[kVector];
      normalise(v, columns, a.eps, partial_mean, partial_square, out);
#pragma unroll
      for (int i = 0; i < kVector; ++i) out[i] = out[i] * scale[i] + shift[i];
      store<Cache::kKeep>(static_cast<N*>(a.n.data) + row * a.n.stride, columns, out);
    }
  }
}

template <typename X, typename Y, typename N, Work kWork>
void launch(Context& context, const Arguments& arguments, bool aligned) {
  const int threads = static_cast<int>(ceil_div(arguments.width, kVector * 32) * 32);
  const auto kernel = aligned ? norm_kernel<X, Y, N, kWork, true> : norm_kernel<X, Y, N, kWork, false>;
  int blocks = 0;
  check(cudaOccupancyMaxActiveBlocksPerMultiprocessor(&blocks, kernel, threads, 0));
  const unsigned grid = grid_for(arguments.rows, context.multiprocessors, blocks);
  kernel<<<grid, threads, 0, context.compute>>>(arguments);
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
  expect(width <= kMostWidth,
         [&] { return message("rows of at most {} elements are supported, found {}", kMostWidth, width); });
  Arguments a;
  Aligned aligned;
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
