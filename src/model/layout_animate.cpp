// The weight layouts of what a driving video adds to a DiT, and the sizes that its tensors tell.
#include <cmath>

#include <fmt/format.h>

#include "base/error.h"
#include "model/dit_animate.h"
#include "model/layout.h"
#include "model/motion_encoder.h"

namespace wan {
namespace {

using Source = WeightLayout::Source;

float xavier(int64_t out, int64_t in) { return std::sqrt(2.0f / static_cast<float>(out + in)); }

constexpr int64_t kConvTaps = 3;  // of the face encoder's convolutions
constexpr int64_t kColours = 3;   // of a picture
constexpr std::string_view kConvs = "motion_encoder.enc.net_app.convs.";

}  // namespace

WeightLayout animate_stem_layout(const DitConfig& c, DType compute) {
  WeightLayout layout;
  const AnimateConfig& a = c.animate;
  const int64_t d = c.dim, z = c.out_dim, in = z * c.patch.positions();
  const auto linear = [&](const std::string& name, int64_t out, int64_t columns) {
    layout.add(name + ".weight", DType::kF32, {out, columns}, name + ".weight", {0, xavier(out, columns)});
    layout.add(name + ".bias", DType::kF32, {out}, name + ".bias", {});
  };
  const auto norm = [&](const std::string& name, int64_t width) {
    layout.add(name + ".weight", DType::kF32, {width}, name + ".weight", {1, 0});
    layout.add(name + ".bias", DType::kF32, {width}, name + ".bias", {});
  };
  const auto conv = [&](const std::string& name, int64_t out, int64_t columns) {
    const std::string full = "face_encoder." + name + ".conv";
    layout.add(name + ".weight", DType::kF32, {out, columns * kConvTaps},
               {Source{full + ".weight", {out, columns, kConvTaps}, {0, xavier(out, columns * kConvTaps)}}});
    layout.add(name + ".bias", DType::kF32, {out}, full + ".bias", {});
  };
  const std::string pose = "pose_patch_embedding";
  const Shape kernel{d, z, c.patch.frames, c.patch.rows, c.patch.columns};
  layout.add(pose + ".weight", compute, {d, in}, {Source{pose + ".weight", kernel, {0, xavier(d, in)}}});
  layout.add(pose + ".bias", compute, {d}, pose + ".bias", {});
  norm("img_emb.proj.0", a.image_dim);
  linear("img_emb.proj.1", a.image_dim, a.image_dim);
  linear("img_emb.proj.3", d, a.image_dim);
  norm("img_emb.proj.4", d);
  conv("conv1_local", a.face_dim * a.face_tokens, a.motion_dim);
  conv("conv2", a.face_dim, a.face_dim);
  conv("conv3", a.face_dim, a.face_dim);
  linear("face_encoder.out_proj", d, a.face_dim);
  layout.add("padding_tokens", DType::kF32, {d}, {Source{"face_encoder.padding_tokens", {1, 1, 1, d}, {0, 0.02f}}});
  return layout;
}

WeightLayout face_fuser_layout(const DitConfig& c, int64_t place, DType compute) {
  WeightLayout layout;
  const int64_t d = c.dim;
  const std::string p = fmt::format("face_adapter.fuser_blocks.{}.", place);
  const auto linear = [&](const std::string& name, int64_t out) {
    layout.add(name + ".weight", compute, {out, d}, p + name + ".weight", {0, xavier(out, d)});
    layout.add(name + ".bias", compute, {out}, p + name + ".bias", {});
  };
  linear("linear1_kv", 2 * d);
  linear("linear1_q", d);
  linear("linear2", d);
  for (const char* name : {"q_norm.weight", "k_norm.weight"})
    layout.add(name, DType::kF32, {c.head_dim()}, p + name, {1, 0});
  return layout;
}

WeightLayout motion_encoder_layout(const AnimateConfig& a) {
  WeightLayout layout;
  const auto values = [&](const std::string& name, const Shape& shape, Initializer init) {
    layout.add(name, DType::kF32, shape, name, init);
  };
  const auto bias = [&](const std::string& name, int64_t width) { values(name, {1, width, 1, 1}, {}); };
  constexpr Initializer kEqualised{0, 1};  // scaled where it is used
  const int64_t taps = kMotionBlurTaps;
  const Initializer blur{1.0f / static_cast<float>(taps * taps), 0};
  const auto at = [](int64_t i) { return fmt::format("{}{}.", kConvs, i); };
  values(at(0) + "0.weight", {a.level_widths[0], kColours, 1, 1}, kEqualised);
  bias(at(0) + "1.bias", a.level_widths[0]);
  for (int64_t i = 1; i <= a.levels; ++i) {
    const int64_t in = a.level_widths[static_cast<size_t>(i) - 1], out = a.level_widths[static_cast<size_t>(i)];
    values(at(i) + "conv1.0.weight", {in, in, 3, 3}, kEqualised);
    bias(at(i) + "conv1.1.bias", in);
    values(at(i) + "conv2.0.kernel", {taps, taps}, blur);
    values(at(i) + "conv2.1.weight", {out, in, 3, 3}, kEqualised);
    bias(at(i) + "conv2.2.bias", out);
    values(at(i) + "skip.0.kernel", {taps, taps}, blur);
    values(at(i) + "skip.1.weight", {out, in, 1, 1}, kEqualised);
  }
  const int64_t last = a.level_widths[static_cast<size_t>(a.levels)], side = AnimateConfig::kLastSide;
  values(at(a.levels + 1) + "weight", {a.motion_dim, last, side, side}, kEqualised);
  for (int64_t i = 0; i < kMotionLinearSteps; ++i) {
    const int64_t out = i + 1 < kMotionLinearSteps ? a.motion_dim : a.motion_codes;
    values(fmt::format("motion_encoder.enc.fc.{}.weight", i), {out, a.motion_dim}, kEqualised);
    values(fmt::format("motion_encoder.enc.fc.{}.bias", i), {out}, {});
  }
  values("motion_encoder.dec.direction.weight", {a.motion_dim, a.motion_codes}, kEqualised);
  return layout;
}

AnimateConfig expected_animate(const ShapeOf& shape_of, const HasTensor& has, int64_t layers,
                               const std::string& where) {
  const auto size = [&](std::string_view what, int64_t count) { return checked_size(count, what, where); };
  const auto with_axes = [&](const std::string& name, int axes) {
    return shape_with_axes(shape_of, name, axes, where);
  };
  AnimateConfig a;
  a.image_dim = size("the width of image tokens", shape_of("img_emb.proj.0.weight").count());
  const Shape directions = with_axes("motion_encoder.dec.direction.weight", 2);
  a.motion_dim = size("the width of a face's motion", directions[0]);
  a.motion_codes = size("the number of a face's codes", directions[1]);
  require(a.motion_codes <= a.motion_dim,
          fmt::format("{}: motion_encoder.dec.direction.weight has shape {}: expected no more directions than their "
                      "width",
                      where, directions.text()));
  const auto level_name = [](int64_t i) { return fmt::format("{}{}.conv2.1.weight", kConvs, i); };
  a.level_widths[0] = size("the width of the motion encoder", with_axes(fmt::format("{}0.0.weight", kConvs), 4)[0]);
  constexpr auto kMost = static_cast<int64_t>(AnimateConfig::kMostLevels);
  for (int64_t i = 1; i <= kMost && has(level_name(i)); ++i) {
    a.level_widths[static_cast<size_t>(i)] = size("the width of the motion encoder", with_axes(level_name(i), 4)[0]);
    a.levels = i;
  }
  constexpr int64_t kMostFaceLevels = 10;  // a face of 4096 pixels a side
  require(a.levels >= 1 && a.levels <= kMostFaceLevels,
          fmt::format("{}: the motion encoder has {} levels by its tensors, expected 1 to {}", where, a.levels,
                      kMostFaceLevels));
  a.face_dim = size("the width of the face encoder", shape_of("face_encoder.conv2.conv.bias").count());
  a.face_tokens =
      size("the number of face tokens", shape_of("face_encoder.conv1_local.conv.bias").count() / a.face_dim);
  while (a.face_blocks <= layers && has(fmt::format("face_adapter.fuser_blocks.{}.linear2.weight", a.face_blocks)))
    ++a.face_blocks;
  require(a.face_blocks * AnimateConfig::kBlockPeriod == layers,
          fmt::format("{}: the face goes in behind {} of {} blocks by its tensors, expected every {}th", where,
                      a.face_blocks, layers, AnimateConfig::kBlockPeriod));
  return a;
}

}  // namespace wan
