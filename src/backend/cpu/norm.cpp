// Row operations of the CPU backend: layer norm, its modulation, gated residual, RMS norm, rotary embedding.
#include <cmath>

#include "backend/cpu/checks.h"
#include "backend/cpu/cpu_backend.h"
#include "backend/cpu/parallel.h"
#include "backend/cpu/values.h"
#include "base/error.h"

namespace wan::cpu {
namespace {

/// Rows of parameters [U, D], one chosen for each row of the activations.
struct RowTable {
  TensorView rows;
  const int32_t* index = nullptr;

  int64_t offset(int64_t row) const { return (index == nullptr ? 0 : index[row]) * rows.stride(0); }
};

RowTable row_table(const TensorView& rows, const TensorView& row_index, const Shape& x, const char* name) {
  require_rows(rows, name);
  require_op(rows.shape[0] > 0 && rows.shape[1] == x[1],
             std::string(name) + " must be [U, " + std::to_string(x[1]) + "], found " + rows.shape.text());
  if (row_index.empty()) return {rows, nullptr};
  require_indices(row_index, x[0], rows.shape[0], "row_index");
  return {rows, row_index.as<int32_t>()};
}

void normalize(const float* x, int64_t width, float eps, float* out) {
  const float mean = static_cast<float>(sum(x, width) / static_cast<double>(width));
  const double variance = sum_of_squares(x, width, mean) / static_cast<double>(width);
  const float scale = static_cast<float>(1 / std::sqrt(variance + double{eps}));
  for (int64_t i = 0; i < width; ++i) out[i] = (x[i] - mean) * scale;
}

void rms_normalize(const float* x, const float* weight, int64_t width, float eps, float* out) {
  const double mean_square = sum_of_squares(x, width, 0) / static_cast<double>(width);
  const float scale = static_cast<float>(1 / std::sqrt(mean_square + double{eps}));
  for (int64_t i = 0; i < width; ++i) out[i] = x[i] * scale * weight[i];
}

void rotate(const float* x, const float* cos, const float* sin, int64_t heads, int64_t pairs, float* out) {
  for (int64_t head = 0; head < heads; ++head) {
    for (int64_t i = 0; i < pairs; ++i) {
      const int64_t at = 2 * (head * pairs + i);
      const float a = x[at], b = x[at + 1];
      out[at] = a * cos[i] - b * sin[i];
      out[at + 1] = a * sin[i] + b * cos[i];
    }
  }
}

void require_rows_alike(const TensorView& x, const TensorView& y) {
  require_rows(x, "x");
  require_rows(y, "y");
  require_shape(y, x.shape, "y");
}

void require_angles(const TensorView& x, const TensorView& angles, int64_t heads, const char* name) {
  require_rows(angles, name);
  require_op(heads > 0 && x.shape[1] % (2 * heads) == 0, "x must have an even head dimension, found " + x.shape.text() +
                                                             " for " + std::to_string(heads) + " heads");
  require_shape(angles, {x.shape[0], x.shape[1] / heads / 2}, name);
}

}  // namespace

void CpuBackend::layer_norm(TensorView x, TensorView weight, TensorView bias, float eps, TensorView y) {
  require_rows_alike(x, y);
  const int64_t width = x.shape[1];
  if (!weight.empty()) require_vector(weight, width, "weight");
  if (!bias.empty()) require_vector(bias, width, "bias");
  float* parameters = scratch(Slot::kBias, 2 * width);
  const float* w = weight.empty() ? nullptr : floats_at(weight, 0, width, parameters);
  const float* b = bias.empty() ? nullptr : floats_at(bias, 0, width, parameters + width);
  float* buffers = scratch(Slot::kRows, threads_ * width);
  parallel_for(threads_, x.shape[0], width, [&](int64_t row, int thread) {
    float* values = buffers + thread * width;
    normalize(floats_at(x, row * x.stride(0), width, values), width, eps, values);
    for (int64_t i = 0; w != nullptr && i < width; ++i) values[i] *= w[i];
    for (int64_t i = 0; b != nullptr && i < width; ++i) values[i] += b[i];
    store(values, width, y, row * y.stride(0));
  });
}

void CpuBackend::modulated_layer_norm(TensorView x, TensorView shift, TensorView scale, TensorView row_index, float eps,
                                      TensorView y) {
  require_rows_alike(x, y);
  const RowTable shifts = row_table(shift, row_index, x.shape, "shift");
  const RowTable scales = row_table(scale, row_index, x.shape, "scale");
  const int64_t width = x.shape[1];
  float* buffers = scratch(Slot::kRows, 3 * threads_ * width);
  parallel_for(threads_, x.shape[0], width, [&](int64_t row, int thread) {
    float* values = buffers + 3 * thread * width;
    normalize(floats_at(x, row * x.stride(0), width, values), width, eps, values);
    const float* a = floats_at(scale, scales.offset(row), width, values + width);
    const float* b = floats_at(shift, shifts.offset(row), width, values + 2 * width);
    for (int64_t i = 0; i < width; ++i) values[i] = values[i] * (1.0f + a[i]) + b[i];
    store(values, width, y, row * y.stride(0));
  });
}

void CpuBackend::gated_residual(TensorView x, TensorView y, TensorView gate, TensorView row_index) {
  require_rows_alike(x, y);
  const RowTable gates = gate.empty() ? RowTable{} : row_table(gate, row_index, x.shape, "gate");
  const int64_t width = x.shape[1];
  float* buffers = scratch(Slot::kRows, 3 * threads_ * width);
  parallel_for(threads_, x.shape[0], width, [&](int64_t row, int thread) {
    float* values = buffers + 3 * thread * width;
    load(x, row * x.stride(0), width, values);
    const float* branch = floats_at(y, row * y.stride(0), width, values + width);
    if (gate.empty()) {
      for (int64_t i = 0; i < width; ++i) values[i] += branch[i];
    } else {
      const float* g = floats_at(gate, gates.offset(row), width, values + 2 * width);
      for (int64_t i = 0; i < width; ++i) values[i] += branch[i] * g[i];
    }
    store(values, width, x, row * x.stride(0));
  });
}

void CpuBackend::rms_norm(TensorView x, TensorView weight, float eps, TensorView y) {
  require_rows_alike(x, y);
  const int64_t width = x.shape[1];
  require_vector(weight, width, "weight");
  const float* w = floats_at(weight, 0, width, scratch(Slot::kBias, width));
  float* buffers = scratch(Slot::kRows, threads_ * width);
  parallel_for(threads_, x.shape[0], width, [&](int64_t row, int thread) {
    float* values = buffers + thread * width;
    rms_normalize(floats_at(x, row * x.stride(0), width, values), w, width, eps, values);
    store(values, width, y, row * y.stride(0));
  });
}

void CpuBackend::rope(TensorView x, TensorView cos, TensorView sin, int64_t heads, TensorView y) {
  require_rows_alike(x, y);
  require_angles(x, cos, heads, "cos");
  require_angles(x, sin, heads, "sin");
  const int64_t width = x.shape[1], pairs = width / heads / 2;
  float* buffers = scratch(Slot::kRows, 2 * threads_ * width);
  parallel_for(threads_, x.shape[0], width, [&](int64_t row, int thread) {
    float* values = buffers + 2 * thread * width;
    const float* c = floats_at(cos, row * cos.stride(0), pairs, values + width);
    const float* s = floats_at(sin, row * sin.stride(0), pairs, values + width + pairs);
    rotate(floats_at(x, row * x.stride(0), width, values), c, s, heads, pairs, values);
    store(values, width, y, row * y.stride(0));
  });
}

void CpuBackend::rms_norm_rope(TensorView x, TensorView weight, float eps, TensorView cos, TensorView sin,
                               int64_t heads, TensorView y) {
  require_rows_alike(x, y);
  require_angles(x, cos, heads, "cos");
  require_angles(x, sin, heads, "sin");
  const int64_t width = x.shape[1], pairs = width / heads / 2;
  require_vector(weight, width, "weight");
  const float* w = floats_at(weight, 0, width, scratch(Slot::kBias, width));
  float* buffers = scratch(Slot::kRows, 2 * threads_ * width);
  parallel_for(threads_, x.shape[0], width, [&](int64_t row, int thread) {
    float* values = buffers + 2 * thread * width;
    const float* c = floats_at(cos, row * cos.stride(0), pairs, values + width);
    const float* s = floats_at(sin, row * sin.stride(0), pairs, values + width + pairs);
    rms_normalize(floats_at(x, row * x.stride(0), width, values), w, width, eps, values);
    rotate(values, c, s, heads, pairs, values);
    store(values, width, y, row * y.stride(0));
  });
}

}  // namespace wan::cpu
