// The CPU backend: every operation in host memory, computed in float. It defines what the operations mean; the other
// backends are held to it. Work is done when a call returns, so queues and events only keep time.
#pragma once

#include <array>
#include <memory>
#include <vector>

#include "backend/backend.h"

namespace wan::cpu {

struct Dnnl;

class CpuBackend final : public Backend {
 public:
  /// `threads` 0: one for each allowed core. Throws Error(kUsage) when negative.
  explicit CpuBackend(int threads);
  ~CpuBackend() override;

  const DeviceInfo& info() const override { return info_; }
  uint64_t free_bytes() const override;
  Tensor allocate(DType dtype, const Shape& shape, const char* what) override;
  Tensor allocate_pinned(DType dtype, const Shape& shape, const char* what) override;
  void copy_bytes(TensorView from, TensorView to, Queue queue) override;
  Event record(Queue queue) override;
  void wait(Queue queue, const Event& event) override;
  bool ready(const Event& event) override;
  void synchronize(const Event& event) override;
  void synchronize() override;
  int64_t event_time_ns(const Event& event) override;
  uint64_t internal_bytes() const override;

  void copy(TensorView x, TensorView y) override;
  void fill_zero(TensorView y) override;
  void add(TensorView x, TensorView y) override;
  void activate(TensorView x, Activation activation, TensorView y) override;
  void gated_gelu(TensorView gate, TensorView up, TensorView y) override;
  void combine(std::span<const Term> terms, TensorView out) override;
  void fill_normal_from(TensorView y, uint64_t seed, uint64_t first, float mean, float deviation, Queue queue) override;
  void linear(TensorView x, TensorView weight, TensorView bias, Activation activation, TensorView y) override;
  void quantize_rows(TensorView x, const Int8Rows& q) override;
  void linear_int8(const Int8Rows& x, const Int8Rows& weight, TensorView bias, Activation activation,
                   TensorView y) override;
  void add_low_rank(TensorView base, TensorView up, TensorView down, float factor, TensorView y, Queue queue) override;
  void expand(const PackedMatrix& matrix, std::span<const LowRankTerm> terms, TensorView y, Queue queue) override;
  void layer_norm(TensorView x, TensorView weight, TensorView bias, float eps, TensorView y) override;
  void modulated_layer_norm(TensorView x, TensorView shift, TensorView scale, TensorView row_index, float eps,
                            TensorView y) override;
  void gated_residual(TensorView x, TensorView y, TensorView gate, TensorView row_index) override;
  void rms_norm(TensorView x, TensorView weight, float eps, TensorView y) override;
  void rope(TensorView x, TensorView cos, TensorView sin, int64_t heads, TensorView y) override;
  void rms_norm_rope(TensorView x, TensorView weight, float eps, TensorView cos, TensorView sin, int64_t heads,
                     TensorView y) override;
  void attention(TensorView q, TensorView k, TensorView v, int64_t heads, float scale, TensorView out) override;
  void attention_relative_bias(TensorView q, TensorView k, TensorView v, int64_t heads, float scale, TensorView table,
                               TensorView bucket, TensorView out) override;
  void quantize_attention(TensorView q, TensorView k, TensorView v, Attention8& a) override;
  void attention8(const Attention8& a, float scale, TensorView y) override;
  void patchify(TensorView x, TensorView y) override;
  void unpatchify(TensorView o, TensorView y) override;
  std::unique_ptr<ConvWeights> prepare_conv(TensorView weight, TensorView bias, ConvKind kind, DType compute) override;
  void conv(const ConvWeights& weights, TensorView x, const ConvGeometry& geometry, TensorView residual,
            TensorView y) override;
  void channel_norm(TensorView x, TensorView gamma, Activation activation, TensorView y) override;
  void dup_up_add(TensorView x, int64_t factor_t, int64_t factor_s, bool drop_first, TensorView y) override;
  void avg_down_add(TensorView x, int64_t factor_t, int64_t factor_s, TensorView y) override;
  void pixels_to_channels(TensorView pixels, int64_t patch, TensorView x) override;
  void channels_to_pixels(TensorView x, int64_t patch, TensorView pixels) override;
  void channels_to_rgb8(TensorView x, int64_t patch, TensorView frames) override;

 private:
  /// Buffers that grow to the largest use and stay. One use of each at a time.
  enum class Slot { kRows, kOperand, kWeight, kBias, kTail, kCount };
  float* scratch(Slot slot, int64_t floats);

  /// The threads' common part of attention; `bias` holds table[bucket] for each head and distance, or is null.
  void attend(TensorView q, TensorView k, TensorView v, int64_t heads, float scale, const float* bias, TensorView out);
  /// out [rows of x, N] = x W^T with a row stride of N.
  void product(TensorView x, TensorView weight, float* out);

  int threads_;
  DeviceInfo info_;
  std::unique_ptr<Dnnl> dnnl_;
  std::array<std::vector<float>, static_cast<size_t>(Slot::kCount)> scratch_;
};

}  // namespace wan::cpu
