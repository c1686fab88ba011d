#include "model/dit_animate.h"

#include <cmath>

#include <fmt/format.h>

#include "base/error.h"
#include "model/causal_encoder.h"

namespace wan {
namespace {

constexpr float kImageEps = 1e-5f;  // of the norms of the picture's tokens: not the model's own

/// Rows of heads, one each: [L, d] as [L * heads, d / heads].
TensorView by_head(const TensorView& rows, int64_t heads) {
  return rows.reshape({rows.shape[0] * heads, rows.shape[1] / heads});
}

}  // namespace

DitAnimate::DitAnimate(Backend& backend, const DitConfig& config, DType compute, TensorView stem)
    : backend_(backend),
      config_(config),
      compute_(compute),
      layout_(animate_stem_layout(config, compute)),
      block_layout_(dit_block_layout(config, 0, compute)),
      fuser_layout_(face_fuser_layout(config, 0, compute)),
      stem_(stem) {}

void DitAnimate::linear(TensorView x, const std::string& name, Activation activation, TensorView y) {
  backend_.linear(x, stem(name + ".weight"), stem(name + ".bias"), activation, y);
}

float DitAnimate::scale() const { return 1.0f / std::sqrt(static_cast<float>(config_.head_dim())); }

ImageContext DitAnimate::embed_image(TensorView tokens, Probe* probe) {
  const int64_t count = tokens.shape[0], width = config_.animate.image_dim, d = config_.dim;
  require_op(tokens.shape == Shape({count, width}),
             fmt::format("image tokens are {}, expected rows of {}", tokens.shape.text(), width));
  const auto rows = [&](int64_t columns) { return backend_.allocate(DType::kF32, {count, columns}, "image tokens"); };
  const Tensor normed = rows(width), hidden = rows(width), out = rows(d);
  const auto norm = [&](TensorView x, const std::string& name, TensorView y) {
    backend_.layer_norm(x, stem(name + ".weight"), stem(name + ".bias"), kImageEps, y);
  };
  norm(tokens, "img_emb.proj.0", normed);
  linear(normed, "img_emb.proj.1", Activation::kGelu, hidden);
  linear(hidden, "img_emb.proj.3", Activation::kNone, out);
  norm(out, "img_emb.proj.4", out);
  if (probe != nullptr) probe->tensor("img_emb", out);
  ImageContext context;
  context.embedded = backend_.allocate(compute_, {count, d}, "image tokens");
  backend_.copy(out, context.embedded);
  context.keys_values = backend_.allocate(compute_, {config_.num_layers, count, 2 * d}, "image keys and values");
  context.filled.assign(static_cast<size_t>(config_.num_layers), false);
  backend_.synchronize();  // the temporaries go now
  return context;
}

FaceContext DitAnimate::embed_faces(TensorView motion, Probe* probe) {
  const AnimateConfig& a = config_.animate;
  const int64_t d = config_.dim, all = a.face_tokens + 1;
  require_op(motion.rank() == 2 && motion.shape[1] == a.motion_dim,
             fmt::format("motion is {}, expected rows of {}", motion.shape.text(), a.motion_dim));
  const CausalEncoder encoder(backend_, config_.eps, [this](const std::string& name) { return stem(name); });
  const std::vector<Tensor> tokens = encoder.tokens(motion, a.face_tokens);
  const int64_t frames = tokens.front()->shape[0];
  const Tensor faces = backend_.allocate(DType::kF32, {1 + frames, all, d}, "face tokens");
  const Tensor rows = backend_.allocate(DType::kF32, {frames, d}, "face tokens");
  backend_.fill_zero(faces);
  const TensorView seen = faces.view().slice(0, 1, 1 + frames);
  for (int64_t token = 0; token < a.face_tokens; ++token) {
    linear(tokens[static_cast<size_t>(token)], "face_encoder.out_proj", Activation::kNone, rows);
    backend_.copy(rows, seen.select(1, token));
  }
  backend_.copy(repeated(stem("padding_tokens"), frames), seen.select(1, a.face_tokens));
  if (probe != nullptr) probe->tensor("face_encoder", seen.reshape({1, frames, all, d}));
  const int64_t count = (1 + frames) * all;
  FaceContext context;
  context.tokens = backend_.allocate(compute_, {count, d}, "face tokens");
  backend_.layer_norm(faces.view().reshape({count, d}), {}, {}, config_.eps, context.tokens);
  context.keys = backend_.allocate(compute_, {a.face_blocks, count, d}, "face keys");
  context.values = backend_.allocate(compute_, {a.face_blocks, count, d}, "face values");
  context.filled.assign(static_cast<size_t>(a.face_blocks), false);
  backend_.synchronize();  // the temporaries go now
  return context;
}

/// The pose, behind the reference's frame.
void DitAnimate::Branch::add_to_tokens(const Rows& rows) {
  Backend& b = animate_.backend_;
  const DitConfig& c = animate_.config_;
  const TensorView pose = parts_.pose;
  const PatchGrid grid = c.patch.grid(pose.shape[1], pose.shape[2], pose.shape[3]);
  const int64_t n = grid.tokens(), first = rows.latent_tokens - n;
  require_op(first == grid.rows * grid.columns, "a pose has one frame less than the latent");
  const TensorView patches(rows.wide.data, animate_.compute_, {n, pose.shape[0] * c.patch.positions()},
                           rows.wide.memory);
  const TensorView added = rows.y.slice(0, 0, n);
  b.patchify(pose, patches);
  b.linear(patches, animate_.stem("pose_patch_embedding.weight"), animate_.stem("pose_patch_embedding.bias"),
           Activation::kNone, added);
  if (rows.probe != nullptr)
    rows.probe->tensor("pose_patch_embedding",
                       added.reshape({1, grid.frames, grid.rows, grid.columns, c.dim}).permute({0, 4, 1, 2, 3}));
  b.add(added, rows.x.slice(0, first, rows.latent_tokens));
}

void DitAnimate::Branch::attend(int block, TensorView slab, TensorView q, const Rows& rows) {
  Backend& b = animate_.backend_;
  const DitConfig& c = animate_.config_;
  ImageContext& image = parts_.image;
  const TensorView keys_values = image.keys_values.view().at(block);
  const TensorView k = keys_values.slice(1, 0, c.dim), v = keys_values.slice(1, c.dim, 2 * c.dim);
  if (const auto place = static_cast<size_t>(block); !image.filled[place]) {
    const auto w = [&](const char* name) { return animate_.block_layout_.view(slab, name); };
    b.linear(image.embedded, w("cross_attn.kv_img.weight"), w("cross_attn.kv_img.bias"), Activation::kNone,
             keys_values);
    b.rms_norm(k, w("cross_attn.norm_k_img.weight"), c.eps, k);
    image.filled[place] = true;
  }
  b.attention(q, k, v, c.num_heads, animate_.scale(), rows.y);
  b.add(rows.y, rows.n);
}

void DitAnimate::Branch::after_block(int block, const Rows& rows) {
  Backend& b = animate_.backend_;
  const DitConfig& c = animate_.config_;
  const auto place = static_cast<int>(c.animate.place_of(block));
  const int64_t d = c.dim, length = rows.x.shape[0];
  FaceContext& faces = parts_.faces;
  const TensorView slab = parts_.fusers.acquire(place);
  const auto w = [&](const char* name) { return animate_.fuser_layout_.view(slab, name); };
  const TensorView k = faces.keys.view().at(place), v = faces.values.view().at(place);
  if (const auto index = static_cast<size_t>(place); !faces.filled[index]) {
    const TensorView weight = w("linear1_kv.weight"), bias = w("linear1_kv.bias");
    b.linear(faces.tokens, weight.slice(0, 0, d), bias.slice(0, 0, d), Activation::kNone, k);
    b.linear(faces.tokens, weight.slice(0, d, 2 * d), bias.slice(0, d, 2 * d), Activation::kNone, v);
    b.rms_norm(by_head(k, c.num_heads), w("k_norm.weight"), c.eps, by_head(k, c.num_heads));
    faces.filled[index] = true;
  }
  const TensorView q(rows.wide.data, animate_.compute_, {length, d}, rows.wide.memory);
  b.layer_norm(rows.x, {}, {}, c.eps, rows.n);
  b.linear(rows.n, w("linear1_q.weight"), w("linear1_q.bias"), Activation::kNone, q);
  b.rms_norm(by_head(q, c.num_heads), w("q_norm.weight"), c.eps, by_head(q, c.num_heads));
  const int64_t frames = faces.tokens->shape[0] / (c.animate.face_tokens + 1);
  b.attention_in_groups(q, k, v, frames, c.num_heads, animate_.scale(), rows.n);
  b.linear(rows.n, w("linear2.weight"), w("linear2.bias"), Activation::kNone, rows.y);
  if (rows.probe != nullptr) rows.probe->tensor(fmt::format("face_adapter.fuser_blocks.{}", place), rows.y);
  b.gated_residual(rows.x, rows.y, {}, {});
  parts_.fusers.release(place);
}

}  // namespace wan
