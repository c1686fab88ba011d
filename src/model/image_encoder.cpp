#include "model/image_encoder.h"

#include <array>
#include <cmath>

#include <fmt/format.h>

#include "base/error.h"
#include "model/layout.h"

namespace wan {
namespace {

using Source = WeightLayout::Source;

constexpr int64_t kColours = 3;
constexpr int64_t kPublishedHeadDim = 80;
/// Of CLIP's training pictures.
constexpr std::array<float, 3> kMean{0.48145466f, 0.4578275f, 0.40821073f};
constexpr std::array<float, 3> kDeviation{0.26862954f, 0.26130258f, 0.27577711f};

void add_linear(WeightLayout& layout, const std::string& name, const std::string& source, int64_t out, int64_t in) {
  layout.add(name + ".weight", DType::kF32, {out, in}, source + ".weight", {0, 0.02f});
  layout.add(name + ".bias", DType::kF32, {out}, source + ".bias", {});
}

void add_norm(WeightLayout& layout, const std::string& name, const std::string& source, int64_t width) {
  layout.add(name + ".weight", DType::kF32, {width}, source + ".weight", {1, 0});
  layout.add(name + ".bias", DType::kF32, {width}, source + ".bias", {});
}

std::string layer_name(int64_t layer) { return fmt::format("transformer.{}.", layer); }

}  // namespace

ImageEncoderConfig published_image_encoder_config() {
  constexpr int64_t kWidth = 1280;
  return {.dim = kWidth, .dim_ffn = 4 * kWidth, .num_heads = 16, .num_layers = 31, .patch = 14, .patches = 16};
}

int64_t usual_image_encoder_heads(const ImageEncoderConfig& c) {
  return c.dim % kPublishedHeadDim == 0 ? c.dim / kPublishedHeadDim : 0;
}

WeightLayout image_stem_layout(const ImageEncoderConfig& c) {
  WeightLayout layout;
  const int64_t values = kColours * c.patch * c.patch;
  layout.add("patch_embedding", DType::kF32, {c.dim, values},
             {Source{"patch_embedding.weight", {c.dim, kColours, c.patch, c.patch}, {0, 0.02f}}});
  layout.add("cls_embedding", DType::kF32, {c.dim}, {Source{"cls_embedding", {1, 1, c.dim}, {0, 0.02f}}});
  layout.add("pos_embedding", DType::kF32, {c.tokens(), c.dim},
             {Source{"pos_embedding", {1, c.tokens(), c.dim}, {0, 0.02f}}});
  add_norm(layout, "pre_norm", "pre_norm", c.dim);
  return layout;
}

WeightLayout image_layer_layout(const ImageEncoderConfig& c, int64_t layer) {
  WeightLayout layout;
  const std::string p = layer_name(layer);
  add_norm(layout, "norm1", p + "norm1", c.dim);
  add_linear(layout, "qkv", p + "attn.to_qkv", 3 * c.dim, c.dim);
  add_linear(layout, "proj", p + "attn.proj", c.dim, c.dim);
  add_norm(layout, "norm2", p + "norm2", c.dim);
  add_linear(layout, "mlp.0", p + "mlp.0", c.dim_ffn, c.dim);
  add_linear(layout, "mlp.2", p + "mlp.2", c.dim, c.dim_ffn);
  return layout;
}

ExpectedPart expected_image_encoder(const ShapeOf& shape_of, const HasTensor& has, const std::string& where) {
  const auto size = [&](std::string_view what, int64_t count) { return checked_size(count, what, where); };
  ExpectedPart part;
  ImageEncoderConfig& c = part.sizes.image;
  const Shape patches = shape_with_axes(shape_of, "patch_embedding.weight", 4, where);
  c.dim = size("the image encoder's width", patches[0]);
  c.patch = size("a patch's side", patches[2]);
  const int64_t tokens = size("the number of image tokens", shape_of("pos_embedding").count() / c.dim);
  c.patches = static_cast<int64_t>(std::llround(std::sqrt(static_cast<double>(tokens - 1))));
  constexpr int64_t kMostSide = 4096;
  require(c.patches >= 1 && c.tokens() == tokens && c.patch <= kMostSide && c.side() <= kMostSide,
          fmt::format("{}: pos_embedding has {} tokens, expected 1 more than a square of patches", where, tokens));
  c.dim_ffn = size("the image encoder's feed-forward width", shape_of(layer_name(0) + "mlp.0.bias").count());
  constexpr int64_t kMostLayers = 1000;
  int64_t stored = 0;
  while (stored <= kMostLayers && has(layer_name(stored) + "norm1.weight")) ++stored;
  require(stored >= 2 && stored <= kMostLayers,
          fmt::format("{}: the image encoder has {} layers, expected 2 to {}", where, stored, kMostLayers));
  c.num_layers = stored - 1;
  const auto add = [&](const WeightLayout& layout) {
    for (const WeightSlot& slot : layout.slots())
      for (const WeightPart& weight : slot.parts) part.weights.push_back({weight.source, weight.shape});
  };
  add(image_stem_layout(c));
  for (int64_t layer = 0; layer < c.num_layers; ++layer) add(image_layer_layout(c, layer));
  return part;
}

Tensor image_encoder_pixels(const ImageEncoderConfig& c, std::span<const float> planes, Size size) {
  const auto side = static_cast<int>(c.side());
  const std::vector<float> square = resize_bicubic(planes, static_cast<int>(kColours), size, {side, side});
  Tensor pixels = host_tensor(DType::kF32, {kColours, side, side});
  const size_t plane = square.size() / kColours;
  for (size_t i = 0; i < square.size(); ++i)
    pixels->as<float>()[i] = (square[i] * 0.5f + 0.5f - kMean[i / plane]) / kDeviation[i / plane];
  return pixels;
}

Tensor encode_image_tokens(Backend& b, const ImageEncoderConfig& c, TensorView stem, LayerSource& layers,
                           TensorView pixels, Probe* probe) {
  const WeightLayout stem_layout = image_stem_layout(c), layout = image_layer_layout(c, 0);
  const auto w = [&](const char* name) { return stem_layout.view(stem, name); };
  const int64_t tokens = c.tokens(), d = c.dim;
  const Tensor picture = b.allocate(DType::kF32, pixels.shape, "picture");
  b.upload(pixels, picture);
  TensorView windows = picture;
  windows.shape = {c.patches, c.patches, kColours, c.patch, c.patch};
  windows.strides = {c.patch * c.side(), c.patch, c.side() * c.side(), c.side(), 1};
  const Tensor patches = b.allocate(DType::kF32, {tokens - 1, kColours * c.patch * c.patch}, "image patches");
  b.copy(windows, patches.view().reshape(windows.shape));
  Tensor x = b.allocate(DType::kF32, {tokens, d}, "image tokens");
  b.copy(w("cls_embedding").reshape({1, d}), x.view().slice(0, 0, 1));
  b.linear(patches, w("patch_embedding"), {}, Activation::kNone, x.view().slice(0, 1, tokens));
  b.add(w("pos_embedding"), x);
  b.layer_norm(x, w("pre_norm.weight"), w("pre_norm.bias"), c.eps, x);
  const auto show = [&](const char* name) {
    if (probe != nullptr) probe->tensor(name, x);
  };
  show("tokens");
  const Tensor n = b.allocate(DType::kF32, {tokens, d}, "image tokens");
  const Tensor y = b.allocate(DType::kF32, {tokens, d}, "image tokens");
  const Tensor qkv = b.allocate(DType::kF32, {tokens, 3 * d}, "image tokens");
  const Tensor hidden = b.allocate(DType::kF32, {tokens, c.dim_ffn}, "image tokens");
  const auto part = [&](int64_t i) { return qkv.view().slice(1, i * d, (i + 1) * d); };
  const float scale = 1.0f / std::sqrt(static_cast<float>(d / c.num_heads));
  for (int64_t layer = 0; layer < c.num_layers; ++layer) {
    const TensorView slab = layers.acquire(static_cast<int>(layer));
    const auto l = [&](const char* name) { return layout.view(slab, name); };
    b.layer_norm(x, l("norm1.weight"), l("norm1.bias"), c.eps, n);
    b.linear(n, l("qkv.weight"), l("qkv.bias"), Activation::kNone, qkv);
    b.attention(part(0), part(1), part(2), c.num_heads, scale, n);
    b.linear(n, l("proj.weight"), l("proj.bias"), Activation::kNone, y);
    b.add(y, x);
    b.layer_norm(x, l("norm2.weight"), l("norm2.bias"), c.eps, n);
    b.linear(n, l("mlp.0.weight"), l("mlp.0.bias"), Activation::kGelu, hidden);
    b.linear(hidden, l("mlp.2.weight"), l("mlp.2.bias"), Activation::kNone, y);
    b.add(y, x);
    layers.release(static_cast<int>(layer));
    if (layer == 0) show("block0");
  }
  b.synchronize();  // the temporaries go now
  return x;
}

}  // namespace wan
