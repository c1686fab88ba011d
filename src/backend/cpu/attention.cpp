// Attention of the CPU backend. Blocks of queries are independent: each thread takes one (head, block) at a time, makes
// its scores with oneDNN's GEMM, their softmax, and the product with the values. A query gets the same bits whatever
// queries stand beside it (see linear.cpp): blocks have whole sixteens of rows. The memory beyond the arguments is one
// block of queries and scores a thread, and float copies of BF16 arguments.
#include <algorithm>
#include <cmath>
#include <dnnl.hpp>

#include "backend/cpu/checks.h"
#include "backend/cpu/cpu_backend.h"
#include "backend/cpu/math.h"
#include "backend/cpu/parallel.h"
#include "backend/cpu/values.h"
#include "base/error.h"

namespace wan::cpu {
namespace {

constexpr int64_t kQueries = 64;  // of a block
constexpr int64_t kRowTile = 16;

struct Rows {
  const float* data;
  int64_t stride;
};

/// The rows as floats; `scratch` is used when they are not.
Rows float_rows(int threads, const TensorView& x, float* scratch) {
  if (x.dtype == DType::kF32) return {x.as<float>(), x.stride(0)};
  const int64_t width = x.shape[1];
  parallel_for(threads, x.shape[0], width,
               [&](int64_t row, int) { load(x, row * x.stride(0), width, scratch + row * width); });
  return {scratch, width};
}

int64_t float_count(const TensorView& x) { return x.dtype == DType::kF32 ? 0 : x.count(); }

/// scores = exp(scores + bias - the largest of them); returns their sum. Neither is divided by the sum yet.
float exponentials(float* scores, const float* bias, int64_t count) {
  for (int64_t i = 0; bias != nullptr && i < count; ++i) scores[i] += bias[i];
  float largest = scores[0];
#pragma omp simd reduction(max : largest)
  for (int64_t i = 1; i < count; ++i) largest = std::max(largest, scores[i]);
  for (int64_t i = 0; i < count; ++i) scores[i] = exp_float(scores[i] - largest);
  return static_cast<float>(sum(scores, count));
}

}  // namespace

void CpuBackend::attend(TensorView q, TensorView k, TensorView v, int64_t heads, float scale, const float* bias,
                        TensorView out) {
  for (const auto& [view, name] : {std::pair{q, "q"}, {k, "k"}, {v, "v"}, {out, "out"}}) require_rows(view, name);
  require_op(heads > 0 && q.shape[1] % heads == 0 && q.shape[1] > 0 && k.shape[0] > 0 && k.shape[1] == q.shape[1],
             "q " + q.shape.text() + " and k " + k.shape.text() + " do not fit " + std::to_string(heads) + " heads");
  require_shape(v, k.shape, "v");
  require_shape(out, q.shape, "out");
  const int64_t queries = q.shape[0], keys = k.shape[0], dim = q.shape[1] / heads;
  float* converted = scratch(Slot::kOperand, float_count(q) + float_count(k) + float_count(v));
  const Rows qs = float_rows(threads_, q, converted);
  const Rows ks = float_rows(threads_, k, converted + float_count(q));
  const Rows vs = float_rows(threads_, v, converted + float_count(q) + float_count(k));
  const int64_t blocks = (queries + kQueries - 1) / kQueries;
  const int64_t own = kQueries * (keys + 2 * dim);
  float* buffers = scratch(Slot::kRows, threads_ * own);
  parallel_for(threads_, heads * blocks, kQueries * keys, [&](int64_t task, int thread) {
    const OmpThreads alone(1);  // oneDNN does not see that a team of one is a parallel region
    const int64_t head = task / blocks, first = task % blocks * kQueries, count = std::min(kQueries, queries - first);
    float* scores = buffers + thread * own;
    float* mixed = scores + kQueries * keys;
    float* block = mixed + kQueries * dim;
    float total[kQueries];
    const int64_t rows = (count + kRowTile - 1) / kRowTile * kRowTile;
    for (int64_t i = 0; i < count; ++i)
      std::copy_n(qs.data + (first + i) * qs.stride + head * dim, dim, block + i * dim);
    std::fill_n(block + count * dim, (rows - count) * dim, 0.0f);
    dnnl::sgemm('N', 'T', rows, keys, dim, scale, block, dim, ks.data + head * dim, ks.stride, 0.0f, scores, keys);
    for (int64_t i = 0; i < count; ++i) {
      // The bias of query i and key j lies at distance j - i + queries - 1.
      const float* row_bias =
          bias == nullptr ? nullptr : bias + head * (queries + keys - 1) + queries - 1 - (first + i);
      total[i] = exponentials(scores + i * keys, row_bias, keys);
    }
    dnnl::sgemm('N', 'N', rows, dim, keys, 1.0f, scores, keys, vs.data + head * dim, vs.stride, 0.0f, mixed, dim);
    for (int64_t i = 0; i < count; ++i) {
      for (int64_t d = 0; d < dim; ++d) mixed[i * dim + d] /= total[i];
      store(mixed + i * dim, dim, out, (first + i) * out.stride(0) + head * dim);
    }
  });
}

void CpuBackend::attention(TensorView q, TensorView k, TensorView v, int64_t heads, float scale, TensorView out) {
  attend(q, k, v, heads, scale, nullptr, out);
}

void CpuBackend::attention_relative_bias(TensorView q, TensorView k, TensorView v, int64_t heads, float scale,
                                         TensorView table, TensorView bucket, TensorView out) {
  require_rows(q, "q");
  require_rows(k, "k");
  require_rows(table, "table");
  require_op(heads > 0 && table.shape[1] == heads && q.shape[0] > 0,
             "table must be [B, " + std::to_string(heads) + "], found " + table.shape.text());
  const int64_t distances = q.shape[0] + k.shape[0] - 1;
  require_indices(bucket, distances, table.shape[0], "bucket");
  float* bias = scratch(Slot::kBias, heads * distances);
  const int32_t* buckets = bucket.as<int32_t>();
  for (int64_t head = 0; head < heads; ++head)
    for (int64_t d = 0; d < distances; ++d)
      bias[head * distances + d] = load_one(table, buckets[d] * table.stride(0) + head);
  attend(q, k, v, heads, scale, bias, out);
}

}  // namespace wan::cpu
