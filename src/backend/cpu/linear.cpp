// Matrix products of the CPU backend: oneDNN's float GEMM, or its BF16 product where the processor has one.
#include <algorithm>
#include <atomic>

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

// oneDNN's product gives a row the same bits whatever rows stand beside it, as long as it runs on one thread and has
// whole sixteens of rows and not too many of them: the number of threads, odd rows and some sizes decide how it cuts K
// into sums. So work is shared out here. Columns are cut by N alone.
constexpr int64_t kRowTile = 16, kMostRows = 128, kColumns = 512;

/// Whether oneDNN took it.
bool float_tile(const float* a, int64_t a_stride, int64_t m, int64_t k, const float* b, int64_t n, float* out,
                int64_t out_stride) {
  return dnnl::sgemm('N', 'T', m, n, k, 1.0f, a, a_stride, b, k, 0.0f, out, out_stride) == dnnl::status::success;
}

/// out [m, n] (row stride out_stride) = a [m, k] (row stride a_stride) times b^T, b [n, k] contiguous. `tail` has room
/// for kRowTile rows of a and of out.
void float_product(int threads, const float* a, int64_t a_stride, int64_t m, int64_t k, const float* b, int64_t n,
                   float* out, int64_t out_stride, float* tail) {
  const int64_t whole = m / kRowTile * kRowTile, odd = m - whole;
  const int64_t columns = (n + kColumns - 1) / kColumns;
  // Few rows are cut further where there are threads for them.
  const int64_t wanted = (threads + columns - 1) / columns;
  const int64_t share = (whole / kRowTile + wanted - 1) / wanted * kRowTile;
  const int64_t rows = std::clamp(share, kRowTile, kMostRows);
  const int64_t blocks = (whole + rows - 1) / rows;
  float* const odd_out = tail + kRowTile * k;
  std::fill_n(tail, odd > 0 ? kRowTile * k : 0, 0.0f);
  for (int64_t row = 0; row < odd; ++row) std::copy_n(a + (whole + row) * a_stride, k, tail + row * k);
  std::atomic<bool> is_refused = false;  // an exception would not leave the parallel region
  parallel_for(threads, columns * (blocks + (odd > 0)), rows * k, [&](int64_t task, int) {
    const OmpThreads alone(1);  // oneDNN does not see that a team of one is a parallel region
    const int64_t column = task % columns * kColumns, count = std::min(kColumns, n - column);
    const int64_t row = task / columns * rows;
    const float* const w = b + column * k;
    const bool is_taken = row >= whole ? float_tile(tail, k, kRowTile, k, w, count, odd_out + column, n)
                                       : float_tile(a + row * a_stride, a_stride, std::min(rows, whole - row), k, w,
                                                    count, out + row * out_stride + column, out_stride);
    if (!is_taken) is_refused = true;
  });
  if (is_refused) throw Error("oneDNN refused a matrix product of " + Shape{m, n, k}.text());
  for (int64_t row = 0; row < odd; ++row) std::copy_n(odd_out + row * n, n, out + (whole + row) * out_stride);
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
    float_product(threads_, x.as<float>(), x.stride(0), m, k, weight.as<float>(), n, out, n,
                  scratch(Slot::kTail, kRowTile * (k + n)));
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
    float_product(threads_, a, k, m, k, b, columns, out + begin, n, scratch(Slot::kTail, kRowTile * (k + columns)));
  }
}

void CpuBackend::linear(TensorView x, TensorView weight, TensorView bias, Activation activation, TensorView y) {
  require_linear(x, weight, bias, y);
  const int64_t m = x.shape[0], n = weight.shape[0];
  if (m == 0 || n == 0) return;
  const OmpThreads scope(threads_);
  const float* b = bias.empty() ? nullptr : floats_at(bias, 0, n, scratch(Slot::kBias, n));
  const bool in_place = y.dtype == DType::kF32 && y.is_contiguous();
  const int64_t most = std::max(kBlockFloats / std::max(n, x.shape[1]) / kRowTile, int64_t{1}) * kRowTile;
  const int64_t block = std::min(most, m);
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
