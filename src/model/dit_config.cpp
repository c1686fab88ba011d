// The weight layouts that the sizes of a DiT imply.
#include <cmath>

#include <fmt/format.h>

#include "model/dit.h"

namespace wan {
namespace {

using Source = WeightLayout::Source;

/// torch's xavier_uniform_ has this standard deviation; the official initialiser uses it for every Linear.
float xavier(int64_t out, int64_t in) { return std::sqrt(2.0f / static_cast<float>(out + in)); }

}  // namespace

WeightLayout dit_stem_layout(const DitConfig& c, DType compute) {
  WeightLayout layout;
  const int64_t d = c.dim;
  const int64_t patch_in = c.in_dim * c.patch.positions(), patch_out = c.out_dim * c.patch.positions();
  const auto linear = [&](const std::string& name, int64_t out, int64_t in, DType dtype, Initializer init) {
    layout.add(name + ".weight", dtype, {out, in}, name + ".weight", init);
    layout.add(name + ".bias", dtype, {out}, name + ".bias", {});
  };
  const Shape convolution{d, c.in_dim, c.patch.frames, c.patch.rows, c.patch.columns};
  layout.add("patch_embedding.weight", compute, {d, patch_in},
             {Source{"patch_embedding.weight", convolution, {0, xavier(d, patch_in)}}});
  layout.add("patch_embedding.bias", compute, {d}, "patch_embedding.bias", {});
  linear("text_embedding.0", d, c.text_dim, compute, {0, 0.02f});
  linear("text_embedding.2", d, d, compute, {0, 0.02f});
  linear("time_embedding.0", d, c.freq_dim, DType::kF32, {0, 0.02f});
  linear("time_embedding.2", d, d, DType::kF32, {0, 0.02f});
  linear("time_projection.1", 6 * d, d, DType::kF32, {0, xavier(6 * d, d)});
  // The official initialiser zeroes the head; a card is benchmarked with a head that lets something through.
  linear("head.head", patch_out, d, DType::kF32, {0, xavier(patch_out, d)});
  const float modulation = 1.0f / std::sqrt(static_cast<float>(d));
  layout.add("head.modulation", DType::kF32, {2, d}, {Source{"head.modulation", {1, 2, d}, {0, modulation}}});
  std::vector<Source> modulations;
  for (int64_t i = 0; i < c.num_layers; ++i)
    modulations.push_back({fmt::format("blocks.{}.modulation", i), {1, 6, d}, {0, modulation}});
  layout.add("modulations", DType::kF32, {c.num_layers, 6 * d}, std::move(modulations));
  return layout;
}

WeightLayout dit_block_layout(const DitConfig& c, int block, DType compute) {
  WeightLayout layout;
  const int64_t d = c.dim;
  const std::string p = fmt::format("blocks.{}.", block);
  const Initializer init{0, xavier(d, d)};
  const auto linear = [&](const std::string& slot, int64_t out, int64_t in, std::vector<std::string> names,
                          Initializer weight_init) {
    std::vector<Source> weights, biases;
    const int64_t rows = out / static_cast<int64_t>(names.size());
    for (const std::string& name : names) {
      weights.push_back({p + name + ".weight", {rows, in}, weight_init});
      biases.push_back({p + name + ".bias", {rows}, {}});
    }
    layout.add(slot + ".weight", compute, {out, in}, std::move(weights));
    layout.add(slot + ".bias", compute, {out}, std::move(biases));
  };
  const auto vector = [&](const std::string& name, float mean) {
    layout.add(name, DType::kF32, {d}, p + name, {mean, 0});
  };
  linear("self_attn.qkv", 3 * d, d, {"self_attn.q", "self_attn.k", "self_attn.v"}, init);
  linear("self_attn.o", d, d, {"self_attn.o"}, init);
  linear("cross_attn.q", d, d, {"cross_attn.q"}, init);
  linear("cross_attn.kv", 2 * d, d, {"cross_attn.k", "cross_attn.v"}, init);
  linear("cross_attn.o", d, d, {"cross_attn.o"}, init);
  linear("ffn.0", c.ffn_dim, d, {"ffn.0"}, {0, xavier(c.ffn_dim, d)});
  linear("ffn.2", d, c.ffn_dim, {"ffn.2"}, {0, xavier(c.ffn_dim, d)});
  if (c.animate.face_blocks > 0) {
    linear("cross_attn.kv_img", 2 * d, d, {"cross_attn.k_img", "cross_attn.v_img"}, init);
    vector("cross_attn.norm_k_img.weight", 1.0f);
  }
  for (const char* name : {"self_attn.norm_q.weight", "self_attn.norm_k.weight", "cross_attn.norm_q.weight",
                           "cross_attn.norm_k.weight", "norm3.weight"})
    vector(name, 1.0f);
  vector("norm3.bias", 0.0f);
  return layout;
}

}  // namespace wan
