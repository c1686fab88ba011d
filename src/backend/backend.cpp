// What every backend shares: the fused operations composed from plain ones, and blocking transfers.
#include "backend/backend.h"

#include "base/error.h"

namespace wan {

void Backend::upload(TensorView from, TensorView to) {
  require_op(from.memory == Memory::kHost && from.shape == to.shape, "upload needs a host tensor of the same shape");
  if (from.dtype == to.dtype && from.is_contiguous() && to.is_contiguous()) {
    copy_bytes(from, to, Queue::kCompute);
    synchronize(record(Queue::kCompute));
    return;
  }
  Tensor staged = allocate(from.dtype, from.shape, "upload staging");
  copy_bytes(from, staged, Queue::kCompute);
  copy(staged, to);
  synchronize(record(Queue::kCompute));
}

Tensor Backend::download(TensorView from) {
  Tensor packed = allocate(DType::kF32, from.shape, "download staging");
  copy(from, packed);
  Tensor host = host_tensor(DType::kF32, from.shape);
  copy_bytes(packed, host, Queue::kCompute);
  synchronize(record(Queue::kCompute));
  return host;
}

void Backend::gated_residual_modulated_norm(TensorView x, TensorView y, TensorView gate, TensorView shift,
                                            TensorView scale, TensorView row_index, float eps, TensorView n) {
  gated_residual(x, y, gate, row_index);
  modulated_layer_norm(x, shift, scale, row_index, eps, n);
}

void Backend::gated_residual_layer_norm(TensorView x, TensorView y, TensorView gate, TensorView row_index,
                                        TensorView weight, TensorView bias, float eps, TensorView n) {
  gated_residual(x, y, gate, row_index);
  layer_norm(x, weight, bias, eps, n);
}

void Backend::rms_norm_rope(TensorView x, TensorView weight, float eps, TensorView cos, TensorView sin, int64_t heads,
                            TensorView y) {
  rms_norm(x, weight, eps, y);
  rope(y, cos, sin, heads, y);
}

void Backend::require_groups(const TensorView& q, const TensorView& k, int64_t groups) {
  require_op(
      groups > 0 && q.rank() == 2 && k.rank() == 2 && q.shape[0] % groups == 0 && k.shape[0] % groups == 0,
      "q " + q.shape.text() + " and k " + k.shape.text() + " are no " + std::to_string(groups) + " equal groups");
}

void Backend::attention_in_groups(TensorView q, TensorView k, TensorView v, int64_t groups, int64_t heads, float scale,
                                  TensorView out) {
  require_groups(q, k, groups);
  const auto part = [&](const TensorView& rows, int64_t group) {
    const int64_t count = rows.shape[0] / groups;
    return rows.slice(0, group * count, (group + 1) * count);
  };
  for (int64_t group = 0; group < groups; ++group)
    attention(part(q, group), part(k, group), part(v, group), heads, scale, part(out, group));
}

void Backend::conv_after(const ConvWeights& weights, std::span<const TensorView> history, TensorView x,
                         const ConvGeometry& geometry, TensorView residual, TensorView y, Arena& scratch) {
  const ArenaScope scope(scratch);
  const auto past = static_cast<int64_t>(history.size());
  Shape shape = x.shape;
  shape[0] += past;
  const TensorView joined = scratch.allocate(x.dtype, shape, "convolution with history");
  for (int64_t i = 0; i < past; ++i) copy(history[static_cast<size_t>(i)], joined.at(i));
  copy(x, joined.slice(0, past, shape[0]));
  conv(weights, joined, geometry, residual, y);
}

void Backend::conv_dup_up_add(const ConvWeights& weights, TensorView x, const ConvGeometry& geometry,
                              const DupUp& shortcut, TensorView y) {
  conv(weights, x, geometry, {}, y);
  dup_up_add(shortcut.x, shortcut.factor_t, 2, shortcut.drop_first, y);
}

}  // namespace wan
