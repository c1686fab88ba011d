// Copies with conversion and elementwise arithmetic of the CPU backend.
#include <array>
#include <cstring>

#include "backend/cpu/checks.h"
#include "backend/cpu/cpu_backend.h"
#include "backend/cpu/math.h"
#include "backend/cpu/parallel.h"
#include "backend/cpu/values.h"
#include "base/error.h"

namespace wan::cpu {
namespace {

/// Axes of a copy, outermost first; axes that are one in memory on both sides are merged.
struct CopyAxes {
  int rank = 0;
  std::array<int64_t, kMaxRank> extent{}, from{}, to{};
};

CopyAxes merged_axes(const TensorView& x, const TensorView& y) {
  CopyAxes axes;
  for (int i = 0; i < x.rank(); ++i) {
    if (x.shape[i] == 1) continue;
    const size_t last = static_cast<size_t>(axes.rank - 1);
    if (axes.rank > 0 && axes.from[last] == x.shape[i] * x.stride(i) && axes.to[last] == y.shape[i] * y.stride(i)) {
      axes.extent[last] *= x.shape[i];
      axes.from[last] = x.stride(i);
      axes.to[last] = y.stride(i);
      continue;
    }
    const size_t next = static_cast<size_t>(axes.rank++);
    axes.extent[next] = x.shape[i];
    axes.from[next] = x.stride(i);
    axes.to[next] = y.stride(i);
  }
  if (axes.rank == 0) axes = {1, {1}, {1}, {1}};
  return axes;
}

/// Elements [begin, begin + count) of the innermost axis.
void copy_run(const TensorView& x, int64_t from, int64_t from_stride, const TensorView& y, int64_t to,
              int64_t to_stride, int64_t count) {
  if (from_stride == 1 && to_stride == 1) {
    float buffer[kChunk];
    store(floats_at(x, from, count, buffer), count, y, to);
    return;
  }
  for (int64_t i = 0; i < count; ++i) store_one(load_one(x, from + i * from_stride), y, to + i * to_stride);
}

}  // namespace

void CpuBackend::copy(TensorView x, TensorView y) {
  require_op(x.dtype == DType::kF32 || x.dtype == DType::kBF16 || x.dtype == DType::kF16,
             "x must be F32, BF16 or F16, found " + std::string(name_of(x.dtype)));
  require_float(y, "y");
  require_shape(y, x.shape, "y");
  if (x.count() == 0) return;
  const CopyAxes axes = merged_axes(x, y);
  const size_t inner = static_cast<size_t>(axes.rank - 1);
  const int64_t runs = (axes.extent[inner] + kChunk - 1) / kChunk;
  int64_t outer = runs;
  for (size_t i = 0; i < inner; ++i) outer *= axes.extent[i];
  parallel_for(threads_, outer, std::min(kChunk, axes.extent[inner]), [&](int64_t index, int) {
    const int64_t begin = index % runs * kChunk;
    int64_t rest = index / runs, from = begin * axes.from[inner], to = begin * axes.to[inner];
    for (size_t i = inner; i-- > 0; rest /= axes.extent[i]) {
      from += rest % axes.extent[i] * axes.from[i];
      to += rest % axes.extent[i] * axes.to[i];
    }
    copy_run(x, from, axes.from[inner], y, to, axes.to[inner], std::min(kChunk, axes.extent[inner] - begin));
  });
}

void CpuBackend::fill_zero(TensorView y) {
  require_op(y.is_contiguous(), "y must be contiguous");
  if (y.bytes() > 0) std::memset(y.data, 0, y.bytes());
}

void CpuBackend::add(TensorView x, TensorView y) {
  require_packed(x, "x");
  require_packed(y, "y");
  require_shape(y, x.shape, "y");
  parallel_chunks(threads_, x.count(), [&](int64_t begin, int64_t count) {
    float a[kChunk], b[kChunk];
    load(x, begin, count, a);
    load(y, begin, count, b);
    for (int64_t i = 0; i < count; ++i) b[i] += a[i];
    store(b, count, y, begin);
  });
}

void CpuBackend::activate(TensorView x, Activation activation, TensorView y) {
  require_packed(x, "x");
  require_packed(y, "y");
  require_shape(y, x.shape, "y");
  parallel_chunks(threads_, x.count(), [&](int64_t begin, int64_t count) {
    float values[kChunk];
    load(x, begin, count, values);
    apply(activation, values, count);
    store(values, count, y, begin);
  });
}

void CpuBackend::gated_gelu(TensorView gate, TensorView up, TensorView y) {
  require_rows(gate, "gate");
  require_rows(up, "up");
  require_rows(y, "y");
  require_shape(up, gate.shape, "up");
  require_shape(y, gate.shape, "y");
  const int64_t width = gate.shape[1];
  const int64_t runs = (width + kChunk - 1) / kChunk;
  parallel_for(threads_, gate.shape[0] * runs, std::min(kChunk, width), [&](int64_t index, int) {
    const int64_t row = index / runs, begin = index % runs * kChunk, count = std::min(kChunk, width - begin);
    float g[kChunk], u[kChunk];
    load(gate, row * gate.stride(0) + begin, count, g);
    load(up, row * up.stride(0) + begin, count, u);
    for (int64_t i = 0; i < count; ++i) g[i] = gelu_tanh(g[i]) * u[i];
    store(g, count, y, row * y.stride(0) + begin);
  });
}

void CpuBackend::combine(std::span<const Term> terms, TensorView out) {
  require_op(!terms.empty(), "a combination needs at least one term");
  require_packed(out, "out");
  for (const Term& term : terms) {
    require_packed(term.tensor, "term");
    require_shape(term.tensor, out.shape, "term");
  }
  parallel_chunks(threads_, out.count(), [&](int64_t begin, int64_t count) {
    float total[kChunk], buffer[kChunk];
    std::fill_n(total, count, 0.0f);
    for (const Term& term : terms) {
      const float* values = floats_at(term.tensor, begin, count, buffer);
      for (int64_t i = 0; i < count; ++i) total[i] += term.coefficient * values[i];
    }
    store(total, count, out, begin);
  });
}

}  // namespace wan::cpu
