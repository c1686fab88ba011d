#include "model/audio_encoder.h"

#include <algorithm>
#include <cmath>
#include <optional>

#include <fmt/format.h>

#include "base/error.h"

namespace wan {
namespace {

constexpr int64_t kChunkFrames = 512;    // of hidden states whose convolutions are computed at a time: 10 s of sound
constexpr int64_t kPositionRows = 1024;  // of the positional convolution at a time

/// Rows of `x` [n, C] as windows of `kernel` rows, each a row [C * kernel] in the order of a convolution's weights.
Tensor windows_of(Backend& backend, TensorView x, int64_t kernel, int64_t stride) {
  const int64_t width = x.shape[1], count = (x.shape[0] - kernel) / stride + 1;
  TensorView windows = x;
  windows.shape = {count, width, kernel};
  windows.strides = {stride * x.stride(0), 1, x.stride(0)};
  Tensor rows = backend.allocate(DType::kF32, {count, width * kernel}, "audio windows");
  backend.copy(windows, rows.view().reshape(windows.shape));
  return rows;
}

class AudioPass {
 public:
  AudioPass(Backend& backend, const AudioEncoderConfig& config, TensorView stem)
      : b_(backend), c_(config), stem_layout_(audio_stem_layout(config)), stem_(stem) {}

  /// Of the frames [begin, end): F32 [end - begin, width of the last convolution].
  Tensor convolve(std::span<const float> sound, int64_t begin, int64_t end) {
    std::vector<std::pair<int64_t, int64_t>> ranges{{begin, end}};
    for (auto conv = c_.convs.rbegin(); conv != c_.convs.rend(); ++conv)
      ranges.emplace_back(ranges.back().first * conv->stride, (ranges.back().second - 1) * conv->stride + conv->kernel);
    const auto [first, last] = ranges.back();
    const auto part = sound.subspan(static_cast<size_t>(first), static_cast<size_t>(last - first));
    Tensor x = b_.allocate(DType::kF32, {last - first, 1}, "sound");
    b_.upload(host_tensor(part, {last - first, 1}), x);
    for (size_t i = 0; i < c_.convs.size(); ++i) {
      const std::string p = fmt::format("conv{}.", i);
      const Tensor rows = windows_of(b_, x, c_.convs[i].kernel, c_.convs[i].stride);
      Tensor y = b_.allocate(DType::kF32, {rows->shape[0], c_.convs[i].width}, "audio features");
      b_.linear(rows, w(p + "weight"), w(p + "bias"), Activation::kNone, y);
      b_.layer_norm(y, w(p + "norm.weight"), w(p + "norm.bias"), c_.eps, y);
      b_.activate(y, Activation::kGelu, y);
      b_.synchronize();  // what it was made of goes now
      x = std::move(y);
    }
    return x;
  }

  /// h [T, dim] of convolved frames [T, width].
  void project(TensorView features, TensorView h) {
    const Tensor normed = b_.allocate(DType::kF32, features.shape, "audio features");
    b_.layer_norm(features, w("feature_projection.layer_norm.weight"), w("feature_projection.layer_norm.bias"), c_.eps,
                  normed);
    b_.linear(normed, w("feature_projection.projection.weight"), w("feature_projection.projection.bias"),
              Activation::kNone, h);
    b_.synchronize();
  }

  /// y = GELU of the grouped convolution over h, half the kernel of zeros on both sides, without the frame too many
  /// that an even kernel gives. `kernel`: host [dim, dim / groups, K], normed.
  void add_positions(TensorView h, const Tensor& kernel, Probe* probe) {
    const int64_t frames = h.shape[0], taps = c_.position_kernel, half = taps / 2;
    const int64_t width = c_.dim / c_.position_groups;
    const Tensor weight = b_.allocate(DType::kF32, kernel->shape, "positional convolution");
    b_.upload(kernel, weight);
    const Tensor padded = b_.allocate(DType::kF32, {frames + 2 * half, c_.dim}, "audio rows");
    b_.fill_zero(padded);
    b_.copy(h, padded.view().slice(0, half, half + frames));
    const Tensor y = b_.allocate(DType::kF32, h.shape, "audio rows");
    for (int64_t group = 0; group < c_.position_groups; ++group) {
      const int64_t from = group * width, to = from + width;
      const TensorView matrix = weight.view().slice(0, from, to).reshape({width, width * taps});
      for (int64_t done = 0; done < frames; done += kPositionRows) {
        const int64_t end = std::min(frames, done + kPositionRows);
        const Tensor rows = windows_of(b_, padded.view().slice(0, done, end + taps - 1).slice(1, from, to), taps, 1);
        b_.linear(rows, matrix, w("encoder.pos_conv_embed.conv.bias").slice(0, from, to), Activation::kGelu,
                  y.view().slice(0, done, end).slice(1, from, to));
        b_.synchronize();
      }
    }
    if (probe != nullptr) probe->tensor("pos_conv", y);
    b_.add(y, h);
    b_.synchronize();
  }

  void run_layer(const WeightLayout& layout, TensorView slab, TensorView h, TensorView n, TensorView wide,
                 TensorView y) {
    const auto l = [&](const char* name) { return layout.view(slab, name); };
    const int64_t frames = h.shape[0], d = c_.dim;
    const TensorView qkv(wide.data, DType::kF32, {frames, 3 * d}, wide.memory);
    const TensorView hidden(wide.data, DType::kF32, {frames, c_.dim_ffn}, wide.memory);
    const float scale = 1.0f / std::sqrt(static_cast<float>(d / c_.num_heads));
    b_.layer_norm(h, l("layer_norm.weight"), l("layer_norm.bias"), c_.eps, n);
    b_.linear(n, l("attention.qkv.weight"), l("attention.qkv.bias"), Activation::kNone, qkv);
    b_.attention(qkv.slice(1, 0, d), qkv.slice(1, d, 2 * d), qkv.slice(1, 2 * d, 3 * d), c_.num_heads, scale, n);
    b_.linear(n, l("attention.out_proj.weight"), l("attention.out_proj.bias"), Activation::kNone, y);
    b_.add(y, h);
    b_.layer_norm(h, l("final_layer_norm.weight"), l("final_layer_norm.bias"), c_.eps, n);
    b_.linear(n, l("feed_forward.intermediate_dense.weight"), l("feed_forward.intermediate_dense.bias"),
              Activation::kGelu, hidden);
    b_.linear(hidden, l("feed_forward.output_dense.weight"), l("feed_forward.output_dense.bias"), Activation::kNone, y);
    b_.add(y, h);
  }

  TensorView w(const std::string& name) const { return stem_layout_.view(stem_, name); }

 private:
  Backend& b_;
  const AudioEncoderConfig& c_;
  WeightLayout stem_layout_;
  TensorView stem_;
};

/// The weight norm's product: for each tap all directions, scaled to the tap's length.
Tensor position_kernel(const AudioEncoderConfig& config, const WeightSource& source) {
  const auto [length, directions] = audio_position_parts(config);
  const int64_t taps = config.position_kernel, rows = directions.shape.count() / taps;
  Tensor kernel = host_tensor(DType::kF32, directions.shape);
  std::vector<float> lengths(static_cast<size_t>(taps));
  source.read(directions, 0, directions.shape.count(), DType::kF32, kernel->data);
  source.read(length, 0, taps, DType::kF32, lengths.data());
  float* values = kernel->as<float>();
  for (int64_t t = 0; t < taps; ++t) {
    double squares = 0;
    for (int64_t i = 0; i < rows; ++i) squares += double{values[i * taps + t]} * values[i * taps + t];
    const double factor = lengths[static_cast<size_t>(t)] / std::sqrt(squares);
    for (int64_t i = 0; i < rows; ++i) values[i * taps + t] = static_cast<float>(values[i * taps + t] * factor);
  }
  return kernel;
}

}  // namespace

int64_t AudioEncoderConfig::frames_of(int64_t samples) const {
  for (const Conv& conv : convs) {
    if (samples < conv.kernel) return 0;
    samples = (samples - conv.kernel) / conv.stride + 1;
  }
  return samples;
}

int64_t AudioEncoderConfig::least_samples() const {
  int64_t samples = 1;
  for (auto conv = convs.rbegin(); conv != convs.rend(); ++conv) samples = (samples - 1) * conv->stride + conv->kernel;
  return samples;
}

std::vector<float> normalised_sound(std::span<const float> samples) {
  constexpr double kEps = 1e-7;
  double sum = 0, squares = 0;
  for (const float sample : samples) sum += sample;
  const double mean = samples.empty() ? 0 : sum / static_cast<double>(samples.size());
  for (const float sample : samples) squares += (sample - mean) * (sample - mean);
  const double deviation = std::sqrt((samples.empty() ? 0 : squares / static_cast<double>(samples.size())) + kEps);
  std::vector<float> out;
  out.reserve(samples.size());
  for (const float sample : samples) out.push_back(static_cast<float>((sample - mean) / deviation));
  return out;
}

void encode_audio(Backend& backend, const AudioEncoderConfig& config, const WeightSource& source, TensorView stem,
                  LayerSource& layers, std::span<const float> sound,
                  const std::function<void(int64_t state, TensorView rows)>& take, Probe* probe) {
  const int64_t frames = config.frames_of(static_cast<int64_t>(sound.size()));
  require(frames > 0, fmt::format("a sound of {} samples is too short: the audio encoder takes {} at least",
                                  sound.size(), config.least_samples()));
  AudioPass pass(backend, config, stem);
  const int64_t width = config.convs.back().width;
  const Tensor h = backend.allocate(DType::kF32, {frames, config.dim}, "audio rows");
  std::optional<Tensor> all;
  if (probe != nullptr) all = backend.allocate(DType::kF32, {frames, width}, "audio features");
  for (int64_t done = 0; done < frames; done += kChunkFrames) {
    const int64_t end = std::min(frames, done + kChunkFrames);
    const Tensor features = pass.convolve(sound, done, end);
    if (all) backend.copy(features, all->view().slice(0, done, end));
    pass.project(features, h.view().slice(0, done, end));
  }
  if (all) probe->tensor("conv_features", all->view().reshape({1, frames, width}).permute({0, 2, 1}));
  pass.add_positions(h, position_kernel(config, source), probe);
  const Tensor n = backend.allocate(DType::kF32, h->shape, "audio rows");
  const Tensor y = backend.allocate(DType::kF32, h->shape, "audio rows");
  const Tensor wide = backend.allocate(DType::kF32, {frames, std::max(3 * config.dim, config.dim_ffn)}, "audio rows");
  const WeightLayout layout = audio_layer_layout(config, 0);
  for (int64_t layer = 0; layer < config.num_layers; ++layer) {
    take(layer, h);
    pass.run_layer(layout, layers.acquire(static_cast<int>(layer)), h, n, wide, y);
    layers.release(static_cast<int>(layer));
  }
  backend.layer_norm(h, pass.w("encoder.layer_norm.weight"), pass.w("encoder.layer_norm.bias"), config.eps, h);
  take(config.num_layers, h);
  backend.synchronize();
}

}  // namespace wan
