// The weight layouts of what speech adds to a DiT.
#include <cmath>

#include <fmt/format.h>

#include "model/dit_speech.h"

namespace wan {
namespace {

using Source = WeightLayout::Source;

float xavier(int64_t out, int64_t in) { return std::sqrt(2.0f / static_cast<float>(out + in)); }

constexpr int64_t kConvTaps = 3;                          // of the audio encoder's convolutions
constexpr int64_t kPartsOfWidth = 4, kPartsOfMiddle = 2;  // of the model's width: its narrowest, and the next

}  // namespace

WeightLayout speech_stem_layout(const DitConfig& c, DType compute) {
  WeightLayout layout;
  const SpeechConfig& speech = c.speech;
  const int64_t d = c.dim, z = c.out_dim;
  const auto patches = [&](const std::string& name, const Patch& patch) {
    const Shape kernel{d, z, patch.frames, patch.rows, patch.columns};
    const int64_t in = kernel.count() / d;
    layout.add(name + ".weight", compute, {d, in}, {Source{name + ".weight", kernel, {0, xavier(d, in)}}});
    layout.add(name + ".bias", DType::kF32, {d}, name + ".bias", {});
  };
  const auto conv = [&](const std::string& name, int64_t out, int64_t in) {
    const std::string full = "casual_audio_encoder.encoder." + name + ".conv";
    layout.add(name + ".weight", DType::kF32, {out, in * kConvTaps},
               {Source{full + ".weight", {out, in, kConvTaps}, {0, xavier(out, in * kConvTaps)}}});
    layout.add(name + ".bias", DType::kF32, {out}, full + ".bias", {});
  };
  patches("cond_encoder", c.patch);
  layout.add("trainable_cond_mask.weight", DType::kF32, {3, d}, "trainable_cond_mask.weight", {0, 0.02f});
  for (const MotionGroup& group : motion_groups(c.patch)) patches(std::string(group.name), group.patch);
  layout.add("weights", DType::kF32, {speech.audio_layers},
             {Source{"casual_audio_encoder.weights", {1, speech.audio_layers, 1, 1}, {1, 0}}});
  const int64_t narrow = d / kPartsOfWidth, middle = d / kPartsOfMiddle;
  conv("conv1_local", narrow * speech.audio_tokens, speech.audio_dim);
  conv("conv1_global", narrow, speech.audio_dim);
  conv("conv2", middle, narrow);
  conv("conv3", d, middle);
  layout.add("final_linear.weight", DType::kF32, {d, d}, "casual_audio_encoder.encoder.final_linear.weight",
             {0, xavier(d, d)});
  layout.add("final_linear.bias", DType::kF32, {d}, "casual_audio_encoder.encoder.final_linear.bias", {});
  layout.add("padding_tokens", DType::kF32, {d},
             {Source{"casual_audio_encoder.encoder.padding_tokens", {1, 1, 1, d}, {0, 0.02f}}});
  return layout;
}

WeightLayout speech_injector_layout(const DitConfig& c, int64_t place, DType compute) {
  WeightLayout layout;
  const int64_t d = c.dim;
  const std::string p = fmt::format("audio_injector.injector.{}.", place);
  const std::string adain = fmt::format("audio_injector.injector_adain_layers.{}.linear", place);
  const Initializer init{0, xavier(d, d)};
  layout.add("adain.weight", compute, {2 * d, d}, adain + ".weight", {0, xavier(2 * d, d)});
  layout.add("adain.bias", compute, {2 * d}, adain + ".bias", {});
  layout.add("q.weight", compute, {d, d}, p + "q.weight", init);
  layout.add("q.bias", compute, {d}, p + "q.bias", {});
  layout.add("kv.weight", compute, {2 * d, d},
             {Source{p + "k.weight", {d, d}, init}, Source{p + "v.weight", {d, d}, init}});
  layout.add("kv.bias", compute, {2 * d}, {Source{p + "k.bias", {d}, {}}, Source{p + "v.bias", {d}, {}}});
  layout.add("o.weight", compute, {d, d}, p + "o.weight", init);
  layout.add("o.bias", compute, {d}, p + "o.bias", {});
  layout.add("norm_q.weight", DType::kF32, {d}, p + "norm_q.weight", {1, 0});
  layout.add("norm_k.weight", DType::kF32, {d}, p + "norm_k.weight", {1, 0});
  return layout;
}

}  // namespace wan
