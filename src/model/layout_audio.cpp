// The tensors of the audio encoder and how they lie in memory.
#include <array>

#include <fmt/format.h>

#include "base/error.h"
#include "model/audio_encoder.h"
#include "model/layout.h"

namespace wan {
namespace {

using Source = WeightLayout::Source;

constexpr int64_t kFirstStride = 5, kLaterStride = 2;  // no tensor tells them
constexpr int64_t kMostConvs = 16;
constexpr std::string_view kPosition = "encoder.pos_conv_embed.conv.";

std::string conv_name(int64_t i) { return fmt::format("feature_extractor.conv_layers.{}.", i); }

int64_t input_width(const AudioEncoderConfig& c, size_t conv) { return conv == 0 ? 1 : c.convs[conv - 1].width; }

/// A matrix [out, in] of the source's values and its bias.
void add_linear(WeightLayout& layout, const std::string& slot, const std::string& source, const Shape& stored) {
  constexpr float kDeviation = 0.02f;
  layout.add(slot + "weight", DType::kF32, {stored[0], stored.count() / stored[0]},
             {Source{source + "weight", stored, {0, kDeviation}}});
  layout.add(slot + "bias", DType::kF32, {stored[0]}, source + "bias", {});
}

void add_norm(WeightLayout& layout, const std::string& slot, const std::string& source, int64_t width) {
  layout.add(slot + "weight", DType::kF32, {width}, source + "weight", {1, 0});
  layout.add(slot + "bias", DType::kF32, {width}, source + "bias", {});
}

}  // namespace

AudioEncoderConfig published_audio_encoder_config() {
  AudioEncoderConfig c;
  for (const int64_t kernel : {10, 3, 3, 3, 3, 2, 2}) c.convs.push_back({512, kernel, kLaterStride});
  c.convs.front().stride = kFirstStride;
  c.dim = 1024;
  c.dim_ffn = 4096;
  c.num_heads = 16;
  c.num_layers = 24;
  c.position_kernel = 128;
  c.position_groups = 16;
  return c;
}

WeightLayout audio_stem_layout(const AudioEncoderConfig& c) {
  WeightLayout layout;
  for (size_t i = 0; i < c.convs.size(); ++i) {
    const std::string slot = fmt::format("conv{}.", i), source = conv_name(static_cast<int64_t>(i));
    add_linear(layout, slot, source + "conv.", {c.convs[i].width, input_width(c, i), c.convs[i].kernel});
    add_norm(layout, slot + "norm.", source + "layer_norm.", c.convs[i].width);
  }
  const std::string projection = "feature_projection.projection.", norm = "feature_projection.layer_norm.";
  add_norm(layout, norm, norm, c.convs.back().width);
  add_linear(layout, projection, projection, {c.dim, c.convs.back().width});
  layout.add(std::string(kPosition) + "bias", DType::kF32, {c.dim}, std::string(kPosition) + "bias", {});
  add_norm(layout, "encoder.layer_norm.", "encoder.layer_norm.", c.dim);
  return layout;
}

WeightLayout audio_layer_layout(const AudioEncoderConfig& c, int64_t layer) {
  WeightLayout layout;
  const std::string p = fmt::format("encoder.layers.{}.", layer);
  std::vector<Source> weights, biases;
  for (const char* name : {"q", "k", "v"}) {
    const std::string source = fmt::format("{}attention.{}_proj.", p, name);
    weights.push_back({source + "weight", {c.dim, c.dim}, {0, 0.02f}});
    biases.push_back({source + "bias", {c.dim}, {}});
  }
  layout.add("attention.qkv.weight", DType::kF32, {3 * c.dim, c.dim}, std::move(weights));
  layout.add("attention.qkv.bias", DType::kF32, {3 * c.dim}, std::move(biases));
  const auto linear = [&](const std::string& name, int64_t out, int64_t in) {
    add_linear(layout, name, p + name, {out, in});
  };
  linear("attention.out_proj.", c.dim, c.dim);
  add_norm(layout, "layer_norm.", p + "layer_norm.", c.dim);
  linear("feed_forward.intermediate_dense.", c.dim_ffn, c.dim);
  linear("feed_forward.output_dense.", c.dim, c.dim_ffn);
  add_norm(layout, "final_layer_norm.", p + "final_layer_norm.", c.dim);
  return layout;
}

AudioPositionParts audio_position_parts(const AudioEncoderConfig& c) {
  const std::string name(kPosition);
  return {{name + "weight_g", {1, 1, c.position_kernel}, 0, {1, 0}},
          {name + "weight_v", {c.dim, c.dim / c.position_groups, c.position_kernel}, 0, {0, 0.02f}}};
}

std::string_view newer_audio_name(std::string_view official) {
  if (official == "encoder.pos_conv_embed.conv.weight_g")
    return "encoder.pos_conv_embed.conv.parametrizations.weight.original0";
  if (official == "encoder.pos_conv_embed.conv.weight_v")
    return "encoder.pos_conv_embed.conv.parametrizations.weight.original1";
  return {};
}

ExpectedPart expected_audio_encoder(const ShapeOf& shape_of, const HasTensor& has, const std::string& where) {
  const auto size = [&](std::string_view what, int64_t count) { return checked_size(count, what, where); };
  const auto with_axes = [&](const std::string& name, int axes) {
    return shape_with_axes(shape_of, name, axes, where);
  };
  ExpectedPart part;
  AudioEncoderConfig& c = part.sizes.audio;
  for (int64_t i = 0; i < kMostConvs && has(conv_name(i) + "conv.weight"); ++i) {
    const Shape conv = with_axes(conv_name(i) + "conv.weight", 3);
    c.convs.push_back({size("a convolution's width", conv[0]), size("a convolution's kernel", conv[2]),
                       i == 0 ? kFirstStride : kLaterStride});
  }
  require(!c.convs.empty(), fmt::format("{}: the audio encoder has no convolution", where));
  const std::string position(kPosition);
  const Shape directions = with_axes(position + "weight_v", 3);
  c.dim = size("the audio encoder's width", directions[0]);
  c.position_kernel = size("the positional convolution's kernel", directions[2]);
  c.position_groups = size("the positional convolution's groups", c.dim / size("a group's width", directions[1]));
  require(c.dim % c.position_groups == 0 && c.position_kernel % 2 == 0,
          fmt::format("{}: the positional convolution has shape {}: expected groups of one width and an even kernel",
                      where, directions.text()));
  c.dim_ffn = size("the audio encoder's feed-forward width",
                   shape_of("encoder.layers.0.feed_forward.intermediate_dense.bias").count());
  constexpr int64_t kMostLayers = 1000;
  while (c.num_layers <= kMostLayers && has(fmt::format("encoder.layers.{}.layer_norm.weight", c.num_layers)))
    ++c.num_layers;
  require(c.num_layers <= kMostLayers, fmt::format("{}: the audio encoder has too many layers", where));
  const auto add = [&](const WeightPart& weight) { part.weights.push_back({weight.source, weight.shape}); };
  const auto add_layout = [&](const WeightLayout& layout) {
    for (const WeightSlot& slot : layout.slots())
      for (const WeightPart& weight : slot.parts) add(weight);
  };
  add_layout(audio_stem_layout(c));
  const AudioPositionParts parts = audio_position_parts(c);
  add(parts.length);
  add(parts.directions);
  for (int64_t layer = 0; layer < c.num_layers; ++layer) add_layout(audio_layer_layout(c, layer));
  return part;
}

}  // namespace wan
