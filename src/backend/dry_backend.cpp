// A backend that computes nothing. Running a model on it over a dry arena measures the memory the model needs, without
// a device and without touching data. It still checks nothing: contracts are the real backends' business.
#include <algorithm>
#include <utility>

#include "backend/backend.h"
#include "base/clock.h"
#include "base/error.h"

namespace wan {
namespace {

/// Taps of an enlarging convolution for each of the small grid's values: 2x2 for each of four outputs.
constexpr int64_t kSmallGridTaps = 16;

struct DryConv : ConvWeights {
  Tensor weights, bias;
};

/// What a history can be read apart from its input in multiples of (backend/cuda/conv.cpp): others are padded, joined.
constexpr int64_t kApartChannels = 8;

class DryBackend final : public Backend {
 public:
  DryBackend(HistoryMemory history, uint64_t granule) : history_(history), granule_(granule) { info_.kind = "dry"; }
  HistoryMemory history_memory(DType) const override { return history_; }
  void conv_after(const ConvWeights& weights, std::span<const TensorView> history, TensorView x,
                  const ConvGeometry& geometry, TensorView residual, TensorView y, Arena& scratch) override {
    const bool joins = history_ == HistoryMemory::kJoined || weights.in_channels % kApartChannels != 0;
    if (joins) Backend::conv_after(weights, history, x, geometry, residual, y, scratch);
  }
  const DeviceInfo& info() const override { return info_; }
  uint64_t free_bytes() const override { return UINT64_MAX / 2; }
  Tensor allocate(DType dtype, const Shape& shape, const char*) override {
    const uint64_t bytes = in_granules(static_cast<uint64_t>(shape.count()) * size_of(dtype));
    live_ += bytes;
    peak_ = std::max(peak_, live_);
    // An address of its own that is never dereferenced; nothing is reserved.
    next_ += (bytes / Arena::kAlignment + 1) * Arena::kAlignment;
    return {TensorView(reinterpret_cast<void*>(next_), dtype, shape, Memory::kDevice),
            [this, bytes](void*) { live_ -= bytes; }};
  }
  Tensor allocate_pinned(DType dtype, const Shape& shape, const char*) override {
    return {TensorView(reinterpret_cast<void*>(Arena::kAlignment), dtype, shape, Memory::kHost), [](void*) {}};
  }
  void copy_bytes(TensorView, TensorView, Queue) override {}
  Event record(Queue) override { return {std::make_shared<int64_t>(monotonic_ns())}; }
  void wait(Queue, const Event&) override {}
  bool ready(const Event&) override { return true; }
  void synchronize(const Event&) override {}
  void synchronize() override {}
  int64_t event_time_ns(const Event& event) override { return *static_cast<const int64_t*>(event.handle.get()); }
  uint64_t internal_bytes() const override { return peak_; }  // the most that was ever allocated at once
  std::optional<DeviceUse> take_device_use() override { return DeviceUse{live_, std::exchange(peak_, live_)}; }

  void copy(TensorView, TensorView) override {}
  void fill_zero(TensorView) override {}
  void add(TensorView, TensorView) override {}
  void activate(TensorView, Activation, TensorView) override {}
  void gated_gelu(TensorView, TensorView, TensorView) override {}
  void combine(std::span<const Term>, TensorView) override {}
  void fill_normal_from(TensorView, uint64_t, uint64_t, float, float, Queue) override {}
  void linear(TensorView, TensorView, TensorView, Activation, TensorView) override {}
  void quantize_rows(TensorView, const Int8Rows&) override {}
  void linear_int8(const Int8Rows&, const Int8Rows&, TensorView, Activation, TensorView) override {}
  void add_low_rank(TensorView, TensorView, TensorView, float, TensorView, Queue) override {}
  void expand(const PackedMatrix&, std::span<const LowRankTerm>, TensorView, Queue) override {}
  void layer_norm(TensorView, TensorView, TensorView, float, TensorView) override {}
  void modulated_layer_norm(TensorView, TensorView, TensorView, TensorView, float, TensorView) override {}
  void gated_residual(TensorView, TensorView, TensorView, TensorView) override {}
  void rms_norm(TensorView, TensorView, float, TensorView) override {}
  void rope(TensorView, TensorView, TensorView, int64_t, TensorView) override {}
  void attention(TensorView, TensorView, TensorView, int64_t, float, TensorView) override {}
  void attention_relative_bias(TensorView, TensorView, TensorView, int64_t, float, TensorView, TensorView,
                               TensorView) override {}
  void quantize_attention(TensorView, TensorView, TensorView, Attention8&) override {}
  void attention8(const Attention8&, float, TensorView) override {}
  void patchify(TensorView, TensorView) override {}
  void unpatchify(TensorView, TensorView) override {}
  std::unique_ptr<ConvWeights> prepare_conv(TensorView weight, TensorView bias, ConvKind kind, DType compute) override {
    auto conv = std::make_unique<DryConv>();
    const bool spatial_only = weight.rank() == 4;
    conv->out_channels = weight.shape[0];
    conv->in_channels = weight.shape[1];
    conv->kernel_t = spatial_only ? 1 : weight.shape[2];
    conv->kernel_h = weight.shape[-2];
    conv->kernel_w = weight.shape[-1];
    const bool is_small = kind == ConvKind::kNearestUpsample2x && history_ == HistoryMemory::kApart;
    const int64_t taps = is_small ? kSmallGridTaps : conv->kernel_t * conv->kernel_h * conv->kernel_w;
    conv->weights = allocate(compute, {conv->out_channels, conv->in_channels, taps}, "convolution weights");
    conv->bias = allocate(DType::kF32, bias.shape, "convolution bias");
    return conv;
  }
  void conv(const ConvWeights&, TensorView, const ConvGeometry&, TensorView, TensorView) override {}
  void channel_norm(TensorView, TensorView, Activation, TensorView) override {}
  void dup_up_add(TensorView, int64_t, int64_t, bool, TensorView) override {}
  void avg_down_add(TensorView, int64_t, int64_t, TensorView) override {}
  void pixels_to_channels(TensorView, int64_t, TensorView) override {}
  void channels_to_pixels(TensorView, int64_t, TensorView) override {}
  void channels_to_rgb8(TensorView, int64_t, TensorView) override {}

 private:
  uint64_t in_granules(uint64_t bytes) const {
    return bytes < granule_ / 2 ? bytes : (bytes + granule_ - 1) / granule_ * granule_;
  }

  DeviceInfo info_;
  uint64_t live_ = 0, peak_ = 0;
  uintptr_t next_ = 0;
  HistoryMemory history_;
  uint64_t granule_;
};

}  // namespace

std::unique_ptr<Backend> make_dry_backend(HistoryMemory history, uint64_t granule) {
  return std::make_unique<DryBackend>(history, granule);
}

}  // namespace wan
