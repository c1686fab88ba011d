// Convolutions of the CPU backend through oneDNN, one output frame at a time: memory stays bounded, frames of the
// result may lie anywhere, and one primitive serves every length. Activations stay channels-last; weights are reordered
// once into the layout the primitive asks for.
#include <algorithm>
#include <optional>

#include "backend/cpu/checks.h"
#include "backend/cpu/cpu_backend.h"
#include "backend/cpu/dnnl_engine.h"
#include "backend/cpu/parallel.h"
#include "backend/cpu/values.h"
#include "base/error.h"

namespace wan::cpu {
namespace {

constexpr int64_t kEnlarge = 2;

struct CpuConvWeights final : ConvWeights {
  ConvKind kind = ConvKind::kPlain;
  DType compute = DType::kF32;
  std::vector<float> bias;
  // In the layout the last primitive asked for: another picture size may ask for another one.
  mutable dnnl::memory weights;
};

dnnl::memory::desc checkpoint_layout(const ConvWeights& w) {
  using Format = dnnl::memory::format_tag;
  const auto type = dnnl::memory::data_type::f32;
  if (w.kernel_t == 1) return {{w.out_channels, w.in_channels, w.kernel_h, w.kernel_w}, type, Format::oihw};
  return {{w.out_channels, w.in_channels, w.kernel_t, w.kernel_h, w.kernel_w}, type, Format::oidhw};
}

const dnnl::memory& weights_in_layout(Dnnl& dnnl, const CpuConvWeights& w, const dnnl::memory::desc& wanted) {
  if (w.weights.get_desc() == wanted) return w.weights;
  dnnl::memory reordered(wanted, dnnl.engine);
  dnnl::reorder(w.weights, reordered).execute(dnnl.stream, w.weights, reordered);
  dnnl.stream.wait();
  w.weights = reordered;
  return w.weights;
}

/// Frame [H, W, C] of x, every pixel four times: out [2H, 2W, C].
void enlarge(int threads, const float* x, int64_t height, int64_t width, int64_t channels, float* out) {
  parallel_for(threads, kEnlarge * height, kEnlarge * width * channels, [&](int64_t row, int) {
    const float* from = x + row / kEnlarge * width * channels;
    float* to = out + row * kEnlarge * width * channels;
    for (int64_t column = 0; column < kEnlarge * width; ++column)
      std::copy_n(from + column / kEnlarge * channels, channels, to + column * channels);
  });
}

/// The frames one output frame reads, as contiguous floats.
const float* float_frames(int threads, const TensorView& frames, float* scratch) {
  if (frames.dtype == DType::kF32) return frames.as<float>();
  parallel_chunks(threads, frames.count(),
                  [&](int64_t begin, int64_t count) { load(frames, begin, count, scratch + begin); });
  return scratch;
}

Shape result_shape(const CpuConvWeights& w, const TensorView& x, const ConvGeometry& g) {
  if (w.kind == ConvKind::kNearestUpsample2x)
    return {x.shape[0], kEnlarge * x.shape[1], kEnlarge * x.shape[2], w.out_channels};
  const int64_t height = x.shape[1] + g.pad_top + g.pad_bottom, width = x.shape[2] + g.pad_left + g.pad_right;
  require_op(height >= w.kernel_h && width >= w.kernel_w, "the padded picture is smaller than the kernel");
  const auto extent = [](int64_t in, int64_t kernel, int64_t stride) { return (in - kernel) / stride + 1; };
  return {extent(x.shape[0], w.kernel_t, g.stride_t), extent(height, w.kernel_h, g.stride_h),
          extent(width, w.kernel_w, g.stride_w), w.out_channels};
}

void require_conv(const CpuConvWeights& w, const TensorView& x, const ConvGeometry& g, const TensorView& residual,
                  const TensorView& y) {
  require_packed(x, "x");
  require_float(y, "y");
  require_op(x.rank() == 4 && x.shape[3] == w.in_channels && x.shape[0] >= w.kernel_t && x.dtype == w.compute,
             "x must be " + std::string(name_of(w.compute)) + " [Ti, H, W, " + std::to_string(w.in_channels) +
                 "] with at least " + std::to_string(w.kernel_t) + " frames, found " + std::string(name_of(x.dtype)) +
                 " " + x.shape.text());
  require_op(g.stride_t > 0 && g.stride_h > 0 && g.stride_w > 0 && g.pad_top >= 0 && g.pad_bottom >= 0 &&
                 g.pad_left >= 0 && g.pad_right >= 0,
             "strides must be positive and padding not negative");
  require_shape(y, result_shape(w, x, g), "y");
  require_op(y.shape[0] == 0 || y.at(0).is_contiguous(), "y's frames must be contiguous inside");
  if (residual.empty()) return;
  require_packed(residual, "residual");
  require_shape(residual, y.shape, "residual");
}

/// On the enlarged picture the 3x3 kernel keeps the size, with one pixel of zeros around.
ConvKey key_of(const CpuConvWeights& w, const TensorView& x, const ConvGeometry& g) {
  if (w.kind == ConvKind::kNearestUpsample2x)
    return {w.in_channels,
            w.out_channels,
            1,
            w.kernel_h,
            w.kernel_w,
            kEnlarge * x.shape[1],
            kEnlarge * x.shape[2],
            1,
            1,
            1,
            1,
            1,
            1};
  return {w.in_channels, w.out_channels, w.kernel_t, w.kernel_h,   w.kernel_w, x.shape[1], x.shape[2],
          g.stride_h,    g.stride_w,     g.pad_top,  g.pad_bottom, g.pad_left, g.pad_right};
}

}  // namespace

std::unique_ptr<ConvWeights> CpuBackend::prepare_conv(TensorView weight, TensorView bias, ConvKind kind,
                                                      DType compute) {
  require_op(weight.rank() == 4 || weight.rank() == 5,
             "weight must be [O, I, kt, kh, kw] or [O, I, kh, kw], found " + weight.shape.text());
  require_op(compute == DType::kF32 || compute == DType::kBF16, "activations must be F32 or BF16");
  require_op(weight.is_contiguous() && weight.count() > 0, "weight must be contiguous and not empty");
  require_op(bias.rank() == 1 && bias.shape[0] == weight.shape[0] && bias.is_contiguous(),
             "bias must be [" + std::to_string(weight.shape[0]) + "], found " + bias.shape.text());
  auto w = std::make_unique<CpuConvWeights>();
  w->out_channels = weight.shape[0];
  w->in_channels = weight.shape[1];
  w->kernel_t = weight.rank() == 5 ? weight.shape[2] : 1;
  w->kernel_h = weight.shape[-2];
  w->kernel_w = weight.shape[-1];
  w->kind = kind;
  w->compute = compute;
  require_op(kind == ConvKind::kPlain || (w->kernel_t == 1 && w->kernel_h == 3 && w->kernel_w == 3),
             "nearest-neighbour enlargement takes a 1x3x3 kernel, found " + weight.shape.text());
  w->bias.resize(static_cast<size_t>(w->out_channels));
  load(bias, 0, w->out_channels, w->bias.data());
  w->weights = dnnl::memory(checkpoint_layout(*w), dnnl_->engine);
  float* values = static_cast<float*>(w->weights.get_data_handle());
  parallel_chunks(threads_, weight.count(), [&](int64_t begin, int64_t count) {
    load(weight, begin, count, values + begin);
    for (int64_t i = begin; compute == DType::kBF16 && i < begin + count; ++i) values[i] = round_to_bf16(values[i]);
  });
  w->device_bytes = (static_cast<size_t>(weight.count()) + w->bias.size()) * sizeof(float);
  return w;
}

void CpuBackend::conv(const ConvWeights& weights, TensorView x, const ConvGeometry& geometry, TensorView residual,
                      TensorView y) {
  const auto* w = dynamic_cast<const CpuConvWeights*>(&weights);
  require_op(w != nullptr, "the weights were prepared by another backend");
  require_conv(*w, x, geometry, residual, y);
  if (y.count() == 0) return;
  const OmpThreads scope(threads_);
  const ConvKey key = key_of(*w, x, geometry);
  const auto& desc = dnnl_->conv_desc(key);
  const dnnl::memory& kernel = weights_in_layout(*dnnl_, *w, desc.weights_desc());
  const dnnl::memory bias = dnnl_->memory(desc.bias_desc(), w->bias.data());
  const bool enlarging = w->kind == ConvKind::kNearestUpsample2x;
  const int64_t frame = y.count() / y.shape[0], input = w->kernel_t * x.count() / x.shape[0];
  const int64_t stride_t = enlarging ? 1 : geometry.stride_t;
  const bool in_place = y.dtype == DType::kF32 && residual.empty();
  float* converted = scratch(Slot::kOperand, x.dtype == DType::kF32 ? 0 : input);
  float* large = scratch(Slot::kWeight, enlarging ? kEnlarge * kEnlarge * input : 0);
  float* result = scratch(Slot::kRows, in_place ? 0 : frame);
  for (int64_t t = 0; t < y.shape[0]; ++t) {
    const TensorView target = y.at(t);
    const float* source = float_frames(threads_, x.slice(0, t * stride_t, t * stride_t + w->kernel_t), converted);
    if (enlarging) enlarge(threads_, source, x.shape[1], x.shape[2], w->in_channels, large);
    float* out = in_place ? target.as<float>() : result;
    dnnl_->conv(key).execute(dnnl_->stream, {{DNNL_ARG_SRC, dnnl_->memory(desc.src_desc(), enlarging ? large : source)},
                                             {DNNL_ARG_WEIGHTS, kernel},
                                             {DNNL_ARG_BIAS, bias},
                                             {DNNL_ARG_DST, dnnl_->memory(desc.dst_desc(), out)}});
    dnnl_->stream.wait();
    if (in_place) continue;
    parallel_chunks(threads_, frame, [&](int64_t begin, int64_t count) {
      float buffer[kChunk];
      if (!residual.empty()) {
        const float* added = floats_at(residual, t * frame + begin, count, buffer);
        for (int64_t i = 0; i < count; ++i) result[begin + i] += added[i];
      }
      store(result + begin, count, target, begin);
    });
  }
}

}  // namespace wan::cpu
