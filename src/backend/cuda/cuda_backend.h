// The CUDA backend: one device, two streams, and the operations in the files beside this one.
#pragma once

#include <string>

#include "backend/backend.h"
#include "backend/cuda/attention.h"
#include "backend/cuda/context.h"
#include "backend/cuda/conv.h"
#include "backend/cuda/events.h"
#include "backend/cuda/linear.h"

namespace wan::cuda {

class CudaBackend final : public Backend {
 public:
  /// The device must have passed cuda_problem. `table` is the text of a tuning table, empty for the built-in one.
  /// `limit`: see MemoryLedger.
  CudaBackend(int ordinal, const std::string& table, std::optional<MemorySize> limit = {});
  ~CudaBackend() override;

  /// For programs that time or tune kernels themselves.
  Context& context() { return context_; }
  Linear& linear_state() { return linear_; }

  const DeviceInfo& info() const override { return info_; }
  void bind_thread() override;
  uint64_t free_bytes() const override;
  Tensor allocate(DType dtype, const Shape& shape, const char* what) override;
  Tensor allocate_pinned(DType dtype, const Shape& shape, const char* what) override;
  Tensor allocate_host(DType dtype, const Shape& shape, const char* what) override;
  void page_lock(TensorView host, const char* what) override;
  void copy_bytes(TensorView from, TensorView to, Queue queue) override;
  Event record(Queue queue) override;
  void wait(Queue queue, const Event& event) override;
  bool ready(const Event& event) override;
  void synchronize(const Event& event) override;
  void synchronize() override;
  int64_t event_time_ns(const Event& event) override;
  std::optional<ClockDrift> retie_clocks() override;
  uint64_t internal_bytes() const override;
  std::optional<DeviceUse> take_device_use() override;

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
  void gated_residual_modulated_norm(TensorView x, TensorView y, TensorView gate, TensorView shift, TensorView scale,
                                     TensorView row_index, float eps, TensorView n) override;
  void gated_residual_layer_norm(TensorView x, TensorView y, TensorView gate, TensorView row_index, TensorView weight,
                                 TensorView bias, float eps, TensorView n) override;
  void rms_norm(TensorView x, TensorView weight, float eps, TensorView y) override;
  void rope(TensorView x, TensorView cos, TensorView sin, int64_t heads, TensorView y) override;
  void rms_norm_rope(TensorView x, TensorView weight, float eps, TensorView cos, TensorView sin, int64_t heads,
                     TensorView y) override;
  void attention(TensorView q, TensorView k, TensorView v, int64_t heads, float scale, TensorView out) override;
  void attention_in_groups(TensorView q, TensorView k, TensorView v, int64_t groups, int64_t heads, float scale,
                           TensorView out) override;
  void attention_relative_bias(TensorView q, TensorView k, TensorView v, int64_t heads, float scale, TensorView table,
                               TensorView bucket, TensorView out) override;
  bool has_attention8() const override { return context_.capability == 90; }
  void quantize_attention(TensorView q, TensorView k, TensorView v, Attention8& a) override;
  void attention8(const Attention8& a, float scale, TensorView y) override;
  void patchify(TensorView x, TensorView y) override;
  void unpatchify(TensorView o, TensorView y) override;
  std::unique_ptr<ConvWeights> prepare_conv(TensorView weight, TensorView bias, ConvKind kind, DType compute) override;
  void conv(const ConvWeights& weights, TensorView x, const ConvGeometry& geometry, TensorView residual,
            TensorView y) override;
  void conv_after(const ConvWeights& weights, std::span<const TensorView> history, TensorView x,
                  const ConvGeometry& geometry, TensorView residual, TensorView y, Arena& scratch) override;
  double f32_conv_error() const override { return convolution_.f32_error(); }
  HistoryMemory history_memory(DType compute) const override {
    return convolution_.takes_history(compute) ? HistoryMemory::kApart : HistoryMemory::kJoined;
  }
  void channel_norm(TensorView x, TensorView gamma, Activation activation, TensorView y) override;
  void dup_up_add(TensorView x, int64_t factor_t, int64_t factor_s, bool drop_first, TensorView y) override;
  void conv_dup_up_add(const ConvWeights& weights, TensorView x, const ConvGeometry& geometry, const DupUp& shortcut,
                       TensorView y) override;
  void avg_down_add(TensorView x, int64_t factor_t, int64_t factor_s, TensorView y) override;
  void pixels_to_channels(TensorView pixels, int64_t patch, TensorView x) override;
  void channels_to_pixels(TensorView x, int64_t patch, TensorView pixels) override;
  void channels_to_rgb8(TensorView x, int64_t patch, TensorView frames) override;

 private:
  /// Makes the device current and opens its streams before any member that needs them.
  struct Device {
    Device(Context& a_context, int ordinal);
    ~Device();
    Context& context;
  };
  cudaStream_t stream(Queue queue) const;

  DeviceInfo info_;
  Context context_;
  Device device_;
  Events events_;
  Linear linear_;
  Attention attention_;
  Convolution convolution_;
};

}  // namespace wan::cuda
