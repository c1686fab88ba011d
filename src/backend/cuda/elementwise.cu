// Arithmetic without reductions. Algorithm: eight elements a thread where addresses allow, one elsewhere. Each element
// is read and written once; bound by memory.
#include <cmath>

#include "backend/cuda/elementwise.h"
#include "backend/cuda/launch.h"
#include "backend/cuda/vector.cuh"

namespace wan::cuda {
namespace {

constexpr int kThreads = 256;

/// op.vector(i) handles elements [8 i, 8 i + 8); op.element(i) one, for the tail and for unaligned data.
template <typename Op>
__global__ void __launch_bounds__(kThreads) map_kernel(const Op op, int64_t count, int64_t vectors) {
  const int64_t step = static_cast<int64_t>(gridDim.x) * kThreads;
  const int64_t first = static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x;
  for (int64_t i = first; i < vectors; i += step) op.vector(i);
  for (int64_t i = vectors * kVector + first; i < count; i += step) op.element(i);
}

template <typename Op>
void map(Context& context, const Op& op, int64_t count, bool aligned) {
  if (count == 0) return;
  const int64_t vectors = aligned ? count / kVector : 0;
  const int64_t items = std::max(vectors, count - vectors * kVector);
  map_kernel<<<grid_for(ceil_div(items, kThreads), context.multiprocessors), kThreads, 0, context.compute>>>(op, count,
                                                                                                             vectors);
  check(cudaGetLastError());
}

/// The same over rows: op.vector(row, i) and op.element(row, i).
template <typename Op>
__global__ void __launch_bounds__(kThreads) map_rows_kernel(const Op op, int64_t rows, int64_t width, int64_t vectors) {
  const int64_t step = static_cast<int64_t>(gridDim.y) * kThreads;
  const int64_t first = static_cast<int64_t>(blockIdx.y) * kThreads + threadIdx.x;
  for (int64_t row = blockIdx.x; row < rows; row += gridDim.x) {
    for (int64_t i = first; i < vectors; i += step) op.vector(row, i);
    for (int64_t i = vectors * kVector + first; i < width; i += step) op.element(row, i);
  }
}

template <typename Op>
void map_rows(Context& context, const Op& op, int64_t rows, int64_t width, bool aligned) {
  if (rows * width == 0) return;
  const int64_t vectors = aligned ? width / kVector : 0;  // aligned rows are whole vectors
  const dim3 grid(static_cast<unsigned>(std::min<int64_t>(rows, int64_t{1} << 20)),
                  static_cast<unsigned>(std::min<int64_t>(ceil_div(aligned ? vectors : width, kThreads), 64)));
  map_rows_kernel<<<grid, kThreads, 0, context.compute>>>(op, rows, width, vectors);
  check(cudaGetLastError());
}

__device__ float activated(float value, Activation activation) {
  if (activation == Activation::kSilu) return silu(value);
  if (activation == Activation::kGeluTanh) return gelu_tanh(value);
  if (activation == Activation::kGelu) return gelu(value);
  if (activation == Activation::kLeakyRelu) return leaky_relu(value);
  return value;
}

template <typename X, typename Y>
struct AddOp {
  const X* x;
  Y* y;
  __device__ void vector(int64_t i) const {
    float a[kVector], b[kVector];
    load_vector<Cache::kStream>(x + i * kVector, a);
    load_vector<Cache::kKeep>(y + i * kVector, b);
#pragma unroll
    for (int j = 0; j < kVector; ++j) b[j] += a[j];
    store_vector<Cache::kKeep>(y + i * kVector, b);
  }
  __device__ void element(int64_t i) const { y[i] = from_float<Y>(to_float(x[i]) + to_float(y[i])); }
};

template <typename X, typename Y>
struct ActivateOp {
  const X* x;
  Y* y;
  int64_t x_stride, y_stride;
  Activation activation;
  __device__ void vector(int64_t row, int64_t i) const {
    float v[kVector];
    load_vector<Cache::kKeep>(x + row * x_stride + i * kVector, v);
#pragma unroll
    for (int j = 0; j < kVector; ++j) v[j] = activated(v[j], activation);
    store_vector<Cache::kKeep>(y + row * y_stride + i * kVector, v);
  }
  __device__ void element(int64_t row, int64_t i) const {
    y[row * y_stride + i] = from_float<Y>(activated(to_float(x[row * x_stride + i]), activation));
  }
  __device__ void vector(int64_t i) const { vector(0, i); }
  __device__ void element(int64_t i) const { element(0, i); }
};

template <typename X, typename Y>
struct GatedGeluOp {
  const X* gate;
  const X* up;
  Y* y;
  int64_t gate_stride, up_stride, y_stride;
  __device__ void vector(int64_t row, int64_t i) const {
    float g[kVector], u[kVector];
    load_vector<Cache::kKeep>(gate + row * gate_stride + i * kVector, g);
    load_vector<Cache::kKeep>(up + row * up_stride + i * kVector, u);
#pragma unroll
    for (int j = 0; j < kVector; ++j) u[j] *= gelu_tanh(g[j]);
    store_vector<Cache::kKeep>(y + row * y_stride + i * kVector, u);
  }
  __device__ void element(int64_t row, int64_t i) const {
    y[row * y_stride + i] =
        from_float<Y>(gelu_tanh(to_float(gate[row * gate_stride + i])) * to_float(up[row * up_stride + i]));
  }
};

struct CombineOp {
  const float* terms[kMaxTerms] = {};
  float coefficients[kMaxTerms] = {};
  int count = 0;
  float* out = nullptr;
  __device__ void vector(int64_t i) const {
    float sum[kVector] = {};
#pragma unroll
    for (int t = 0; t < kMaxTerms; ++t) {
      if (t >= count) break;
      float v[kVector];
      load_vector<Cache::kKeep>(terms[t] + i * kVector, v);
#pragma unroll
      for (int j = 0; j < kVector; ++j) sum[j] += coefficients[t] * v[j];
    }
    store_vector<Cache::kKeep>(out + i * kVector, sum);
  }
  __device__ void element(int64_t i) const {
    float sum = 0;
#pragma unroll
    for (int t = 0; t < kMaxTerms; ++t) {
      if (t < count) sum += coefficients[t] * terms[t][i];
    }
    out[i] = sum;
  }
};

void check_rows(const TensorView& view, const Shape& shape, const char* name) {
  expect(view.rank() == 2 && view.shape == shape && view.stride(1) == 1 && is_float(view), [&] {
    return message("{} must be F32 or BF16 rows {} with unit inner stride, found {} {}", name, shape,
                   name_of(view.dtype), view.shape);
  });
}

void check_contiguous_pair(const TensorView& x, const TensorView& y) {
  expect(x.shape == y.shape && x.is_contiguous() && y.is_contiguous() && is_float(x) && is_float(y), [&] {
    return message("x and y must be contiguous F32 or BF16 of one shape, found {} {} and {} {}", name_of(x.dtype),
                   x.shape, name_of(y.dtype), y.shape);
  });
}

}  // namespace

void fill_zero(Context& context, TensorView y) {
  require_op(y.is_contiguous(), "y must be contiguous");
  if (y.count() != 0) check(cudaMemsetAsync(y.data, 0, y.bytes(), context.compute));
}

void add(Context& context, TensorView x, TensorView y) {
  check_contiguous_pair(x, y);
  with_float_type(x, [&]<typename X>(X*) {
    with_float_type(y, [&]<typename Y>(Y*) {
      map(context, AddOp<X, Y>{static_cast<const X*>(x.data), static_cast<Y*>(y.data)}, y.count(),
          is_aligned(x.data) && is_aligned(y.data));
    });
  });
}

void activate(Context& context, TensorView x, Activation activation, TensorView y) {
  check_contiguous_pair(x, y);
  with_float_type(x, [&]<typename X>(X*) {
    with_float_type(y, [&]<typename Y>(Y*) {
      map(context, ActivateOp<X, Y>{static_cast<const X*>(x.data), static_cast<Y*>(y.data), 0, 0, activation},
          y.count(), is_aligned(x.data) && is_aligned(y.data));
    });
  });
}

void activate_rows(Context& context, TensorView x, Activation activation, TensorView y) {
  check_rows(x, x.shape, "x");
  check_rows(y, x.shape, "y");
  with_float_type(x, [&]<typename X>(X*) {
    with_float_type(y, [&]<typename Y>(Y*) {
      const ActivateOp<X, Y> op{static_cast<const X*>(x.data), static_cast<Y*>(y.data), row_stride(x), row_stride(y),
                                activation};
      map_rows(context, op, x.shape[0], x.shape[1], rows_are_aligned(x, kVector) && rows_are_aligned(y, kVector));
    });
  });
}

void gated_gelu(Context& context, TensorView gate, TensorView up, TensorView y) {
  check_rows(gate, gate.shape, "gate");
  check_rows(up, gate.shape, "up");
  check_rows(y, gate.shape, "y");
  require_op(gate.dtype == up.dtype, "gate and up must share a dtype");
  const bool aligned = rows_are_aligned(gate, kVector) && rows_are_aligned(up, kVector) && rows_are_aligned(y, kVector);
  with_float_type(gate, [&]<typename X>(X*) {
    with_float_type(y, [&]<typename Y>(Y*) {
      const GatedGeluOp<X, Y> op{static_cast<const X*>(gate.data),
                                 static_cast<const X*>(up.data),
                                 static_cast<Y*>(y.data),
                                 row_stride(gate),
                                 row_stride(up),
                                 row_stride(y)};
      map_rows(context, op, y.shape[0], y.shape[1], aligned);
    });
  });
}

void combine(Context& context, std::span<const Term> terms, TensorView out) {
  expect(terms.size() <= kMaxTerms, [&] { return message("at most {} terms, found {}", kMaxTerms, terms.size()); });
  require_op(out.is_contiguous(), "out must be contiguous");
  CombineOp op;
  op.out = out.as<float>();
  bool aligned = is_aligned(out.data);
  for (const Term& term : terms) {
    require_op(term.tensor.is_contiguous() && term.tensor.count() == out.count(),
               "terms must be contiguous and of out's size");
    op.terms[op.count] = term.tensor.as<float>();
    op.coefficients[op.count++] = term.coefficient;
    aligned = aligned && is_aligned(term.tensor.data);
  }
  map(context, op, out.count(), aligned);
}

}  // namespace wan::cuda
