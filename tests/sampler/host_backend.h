// A test double: combine and copy on host memory, counting allocations; everything else throws. Keeps the sampler tests
// free of any real backend and its libraries.
#pragma once

#include <cstring>
#include <vector>

#include "backend/backend.h"
#include "base/error.h"

namespace wan {

class HostBackend : public Backend {
 public:
  int allocations = 0;

  const DeviceInfo& info() const override { return info_; }
  uint64_t free_bytes() const override { return UINT64_MAX; }
  Tensor allocate(DType dtype, const Shape& shape, const char*) override {
    ++allocations;
    return host_tensor(dtype, shape);
  }
  Tensor allocate_pinned(DType dtype, const Shape& shape, const char* what) override {
    return allocate(dtype, shape, what);
  }
  void copy_bytes(TensorView from, TensorView to, Queue) override { copy(from, to); }
  Event record(Queue) override { refuse(); }
  void wait(Queue, const Event&) override { refuse(); }
  bool ready(const Event&) override { refuse(); }
  void synchronize(const Event&) override {}
  void synchronize() override {}
  int64_t event_time_ns(const Event&) override { refuse(); }
  uint64_t internal_bytes() const override { return 0; }

  void copy(TensorView x, TensorView y) override {
    require_op(x.shape == y.shape && x.dtype == y.dtype && x.is_contiguous() && y.is_contiguous(),
               "same contiguous tensors");
    std::memcpy(y.data, x.data, x.bytes());
  }
  /// Terms in order, one float32 rounding for each product and each sum.
  void combine(std::span<const Term> terms, TensorView out) override {
    require_op(!terms.empty(), "at least one term");
    std::vector<float> sum(static_cast<size_t>(out.count()));
    for (const Term& term : terms) {
      require_op(term.tensor.shape == out.shape && term.tensor.is_contiguous(),
                 "terms are contiguous and of one shape");
      const float* x = term.tensor.as<float>();
      for (size_t i = 0; i < sum.size(); ++i)
        sum[i] = &term == terms.data() ? term.coefficient * x[i] : sum[i] + term.coefficient * x[i];
    }
    std::memcpy(out.as<float>(), sum.data(), sum.size() * sizeof(float));
  }

  void fill_zero(TensorView) override { refuse(); }
  void add(TensorView, TensorView) override { refuse(); }
  void activate(TensorView, Activation, TensorView) override { refuse(); }
  void gated_gelu(TensorView, TensorView, TensorView) override { refuse(); }
  void fill_normal_from(TensorView, uint64_t, uint64_t, float, float, Queue) override { refuse(); }
  void linear(TensorView, TensorView, TensorView, Activation, TensorView) override { refuse(); }
  void quantize_rows(TensorView, const Int8Rows&) override { refuse(); }
  void linear_int8(const Int8Rows&, const Int8Rows&, TensorView, Activation, TensorView) override { refuse(); }
  void add_low_rank(TensorView, TensorView, TensorView, float, TensorView, Queue) override { refuse(); }
  void expand(const PackedMatrix&, std::span<const LowRankTerm>, TensorView, Queue) override { refuse(); }
  void layer_norm(TensorView, TensorView, TensorView, float, TensorView) override { refuse(); }
  void modulated_layer_norm(TensorView, TensorView, TensorView, TensorView, float, TensorView) override { refuse(); }
  void gated_residual(TensorView, TensorView, TensorView, TensorView) override { refuse(); }
  void rms_norm(TensorView, TensorView, float, TensorView) override { refuse(); }
  void rope(TensorView, TensorView, TensorView, int64_t, TensorView) override { refuse(); }
  void attention(TensorView, TensorView, TensorView, int64_t, float, TensorView) override { refuse(); }
  void attention_relative_bias(TensorView, TensorView, TensorView, int64_t, float, TensorView, TensorView,
                               TensorView) override {
    refuse();
  }
  void quantize_attention(TensorView, TensorView, TensorView, Attention8&) override { refuse(); }
  void attention8(const Attention8&, float, TensorView) override { refuse(); }
  void patchify(TensorView, TensorView) override { refuse(); }
  void unpatchify(TensorView, TensorView) override { refuse(); }
  std::unique_ptr<ConvWeights> prepare_conv(TensorView, TensorView, ConvKind, DType) override { refuse(); }
  void conv(const ConvWeights&, TensorView, const ConvGeometry&, TensorView, TensorView) override { refuse(); }
  void channel_norm(TensorView, TensorView, Activation, TensorView) override { refuse(); }
  void dup_up_add(TensorView, int64_t, int64_t, bool, TensorView) override { refuse(); }
  void avg_down_add(TensorView, int64_t, int64_t, TensorView) override { refuse(); }
  void pixels_to_channels(TensorView, int64_t, TensorView) override { refuse(); }
  void channels_to_pixels(TensorView, int64_t, TensorView) override { refuse(); }
  void channels_to_rgb8(TensorView, int64_t, TensorView) override { refuse(); }

 private:
  [[noreturn]] static void refuse() { throw Error("the test double does not compute this operation"); }
  DeviceInfo info_;
};

}  // namespace wan
