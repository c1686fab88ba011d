// Matrix products of the CPU backend: oneDNN's float GEMM, or its BF16 product where the processor has one.
#include <algorithm>

#include "backend/cpu/checks.h"
#include "backend/cpu/cpu_backend.h"
#include "backend/cpu/dnnl_engine.h"
#include "backend/cpu/math.h"
#include "backend/cpu/parallel.h"
#include "backend/cpu/values.h"
#include "base/error.h"

namespace wan::cpu {
namespace {

constexpr int64_t kBlockFloats = int64_t{4} << 20;  // 16 MiB: a block of results, or of converted weights

/// out [m, n] (row stride out_stride) = a [m, k] (row stride a_stride) times b^T, b [n, k] contiguous.
void float_product(const float* a, int64_t a_stride, int64_t m, int64_t k, const float* b, int64_t n, float* out,
                   int64_t out_stride) {
  const dnnl::status status = dnnl::sgemm('N', 'T', m, n, k, 1.0f, a, a_stride, b, k, 0.0f, out, out_stride);
  if (status != dnnl::status::success) throw Error("oneDNN refused a matrix product of " + Shape{m, n, k}.text());
}

void require_linear(const TensorView& x, const TensorView& weight, const TensorView& bias, const TensorView& y) {
  require_rows(x, "x");
  require_rows(y, "y");
  require_packed(weight, "weight");
  require_op(weight.rank() == 2 && weight.dtype == x.dtype,
             "weight must be [N, K] of x's dtype, found " + std::string(name_of(weight.dtype)) + " " +
                 weight.shape.text() + " for x " + std::string(name_of(x.dtype)) + " " + x.shape.text());
  require_op(weight.shape[1] == x.shape[1] && x.shape[1] > 0,
             "weight " + weight.shape.text() + " does not fit x " + x.shape.text());
  require_shape(y, {x.shape[0], weight.shape[0]}, "y");
  if (!bias.empty()) require_vector(bias, weight.shape[0], "bias");
}

}  // namespace

void CpuBackend::product(TensorView x, TensorView weight, float* out) {
  const int64_t m = x.shape[0], k = x.shape[1], n = weight.shape[0];
  if (x.dtype == DType::kF32) {
    float_product(x.as<float>(), x.stride(0), m, k, weight.as<float>(), n, out, n);
    return;
  }
  if (dnnl_->multiplies_bf16) {
    const MatmulKey key{m, n, k, m == 1 ? k : x.stride(0)};
    using Type = dnnl::memory::data_type;
    dnnl_->matmul(key).execute(dnnl_->stream,
                               {{DNNL_ARG_SRC, dnnl_->memory(matrix_desc(m, k, Type::bf16, key.row_stride, 1), x.data)},
                                {DNNL_ARG_WEIGHTS, dnnl_->memory(matrix_desc(k, n, Type::bf16, 1, k), weight.data)},
                                {DNNL_ARG_DST, dnnl_->memory(matrix_desc(m, n, Type::f32, n, 1), out)}});
    dnnl_->stream.wait();
    return;
  }
  float* a = scratch(Slot::kOperand, m * k);
  parallel_for(threads_, m, k, [&](int64_t row, int) { load(x, row * x.stride(0), k, a + row * k); });
  const int64_t block = std::clamp<int64_t>(kBlockFloats / k, 1, n);
  float* b = scratch(Slot::kWeight, block * k);
  for (int64_t begin = 0; begin < n; begin += block) {
    const int64_t columns = std::min(block, n - begin);
    parallel_for(threads_, columns, k, [&](int64_t row, int) { load(weight, (begin + row) * k, k, b + row * k); });
    float_product(a, k, m, k, b, columns, out + begin, n);
  }
}

void CpuBackend::linear(TensorView x, TensorView weight, TensorView bias, Activation activation, TensorView y) {
  require_linear(x, weight, bias, y);
  const int64_t m = x.shape[0], n = weight.shape[0];
  if (m == 0 || n == 0) return;
  const OmpThreads scope(threads_);
  const float* b = bias.empty() ? nullptr : floats_at(bias, 0, n, scratch(Slot::kBias, n));
  const bool in_place = y.dtype == DType::kF32 && y.is_contiguous();
  const int64_t block = std::clamp<int64_t>(kBlockFloats / std::max(n, x.shape[1]), 1, m);
  for (int64_t begin = 0; begin < m; begin += block) {
    const int64_t rows = std::min(block, m - begin);
    const TensorView target = y.slice(0, begin, begin + rows);
    float* out = in_place ? target.as<float>() : scratch(Slot::kRows, rows * n);
    product(x.slice(0, begin, begin + rows), weight, out);
    if (in_place && b == nullptr && activation == Activation::kNone) continue;
    parallel_for(threads_, rows, n, [&](int64_t row, int) {
      float* values = out + row * n;
      for (int64_t i = 0; b != nullptr && i < n; ++i) values[i] += b[i];
      apply(activation, values, n);
      if (!in_place) store(values, n, target, row * target.stride(0));
    });
  }
}

}  // namespace wan::cpu
