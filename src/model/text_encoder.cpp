#include "model/text_encoder.h"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "base/error.h"

namespace wan {
namespace {

using Source = WeightLayout::Source;

/// One prompt on its way through the layers. All rows are [n, ...] on the device.
struct Stream {
  int64_t length = 0;
  Tensor x;        // residual F32 [n, dim]
  Tensor h;        // normalised rows [n, dim]
  Tensor qkv;      // [n, 3 dim_attention]
  Tensor mixed;    // attention output [n, dim_attention]
  Tensor gate_up;  // [n, 2 dim_ffn]
  Tensor y;        // branch output [n, dim]
  Tensor bucket;   // I32 [2 n - 1]
};

Tensor gather_rows(const TextEncoderConfig& config, const WeightSource& source, std::span<const int32_t> ids) {
  const WeightPart table = text_embedding_part(config);
  Tensor rows = host_tensor(DType::kF32, {static_cast<int64_t>(ids.size()), config.dim});
  for (size_t i = 0; i < ids.size(); ++i) {
    const int64_t id = ids[i];
    require(
        id >= 0 && id < config.vocabulary,
        fmt::format(
            "token id {} is outside the text encoder's vocabulary of {}: tokenizer and encoder do not belong together",
            id, config.vocabulary));
    source.read(table, id * config.dim, (id + 1) * config.dim, DType::kF32,
                rows->as<float>() + static_cast<int64_t>(i) * config.dim);
  }
  return rows;
}

Stream begin_stream(Backend& backend, const TextEncoderConfig& config, DType compute, const WeightSource& source,
                    std::span<const int32_t> ids) {
  require_op(!ids.empty(), "a prompt has at least its closing token");
  Stream s;
  s.length = static_cast<int64_t>(ids.size());
  const char* what = "text encoder activations";
  s.x = backend.allocate(DType::kF32, {s.length, config.dim}, what);
  s.h = backend.allocate(compute, {s.length, config.dim}, what);
  s.qkv = backend.allocate(compute, {s.length, 3 * config.dim_attention}, what);
  s.mixed = backend.allocate(compute, {s.length, config.dim_attention}, what);
  s.gate_up = backend.allocate(compute, {s.length, 2 * config.dim_ffn}, what);
  s.y = backend.allocate(compute, {s.length, config.dim}, what);
  s.bucket = backend.allocate(DType::kI32, {2 * s.length - 1}, what);
  backend.upload(gather_rows(config, source, ids), s.x);
  Tensor bucket = host_tensor(DType::kI32, {2 * s.length - 1});
  for (int64_t i = 0; i < 2 * s.length - 1; ++i)
    bucket->as<int32_t>()[i] = relative_position_bucket(i - (s.length - 1), config.num_buckets);
  backend.upload(bucket, s.bucket);
  return s;
}

void run_layer(Backend& b, const TextEncoderConfig& c, const WeightLayout& layout, TensorView slab, Stream& s) {
  const auto w = [&](const char* name) { return layout.view(slab, name); };
  const int64_t a = c.dim_attention;
  const TensorView qkv = s.qkv, gate_up = s.gate_up;
  b.rms_norm(s.x, w("norm1"), c.eps, s.h);
  b.linear(s.h, w("attn.qkv"), {}, Activation::kNone, qkv);
  b.attention_relative_bias(qkv.slice(1, 0, a), qkv.slice(1, a, 2 * a), qkv.slice(1, 2 * a, 3 * a), c.num_heads, 1.0f,
                            w("position"), s.bucket, s.mixed);
  b.linear(s.mixed, w("attn.o"), {}, Activation::kNone, s.y);
  b.gated_residual(s.x, s.y, {}, {});
  b.rms_norm(s.x, w("norm2"), c.eps, s.h);
  b.linear(s.h, w("ffn.gate_up"), {}, Activation::kNone, gate_up);
  const TensorView gate = gate_up.slice(1, 0, c.dim_ffn), up = gate_up.slice(1, c.dim_ffn, 2 * c.dim_ffn);
  b.gated_gelu(gate, up, gate);
  b.linear(gate, w("ffn.down"), {}, Activation::kNone, s.y);
  b.gated_residual(s.x, s.y, {}, {});
}

}  // namespace

TextEncoderConfig published_text_encoder_config() { return {256384, 4096, 4096, 10240, 64, 24, 32, 1e-6f}; }

WeightLayout text_encoder_layer_layout(const TextEncoderConfig& c, int layer, DType compute) {
  WeightLayout layout;
  const std::string p = fmt::format("blocks.{}.", layer);
  // Deviations of the official initialiser (wan/modules/t5.py, init_weights).
  const float q = 1.0f / std::sqrt(static_cast<float>(c.dim * c.dim_attention));
  const float kv = 1.0f / std::sqrt(static_cast<float>(c.dim));
  const float out = 1.0f / std::sqrt(static_cast<float>(c.dim_attention));
  const float down = 1.0f / std::sqrt(static_cast<float>(c.dim_ffn));
  layout.add("norm1", DType::kF32, {c.dim}, p + "norm1.weight", {1, 0});
  layout.add("attn.qkv", compute, {3 * c.dim_attention, c.dim},
             {Source{p + "attn.q.weight", {c.dim_attention, c.dim}, {0, q}},
              Source{p + "attn.k.weight", {c.dim_attention, c.dim}, {0, kv}},
              Source{p + "attn.v.weight", {c.dim_attention, c.dim}, {0, kv}}});
  layout.add("attn.o", compute, {c.dim, c.dim_attention}, p + "attn.o.weight", {0, out});
  layout.add("position", DType::kF32, {c.num_buckets, c.num_heads}, p + "pos_embedding.embedding.weight", {0, kv});
  layout.add("norm2", DType::kF32, {c.dim}, p + "norm2.weight", {1, 0});
  layout.add("ffn.gate_up", compute, {2 * c.dim_ffn, c.dim},
             {Source{p + "ffn.gate.0.weight", {c.dim_ffn, c.dim}, {0, kv}},
              Source{p + "ffn.fc1.weight", {c.dim_ffn, c.dim}, {0, kv}}});
  layout.add("ffn.down", compute, {c.dim, c.dim_ffn}, p + "ffn.fc2.weight", {0, down});
  return layout;
}

WeightLayout text_encoder_norm_layout(const TextEncoderConfig& config) {
  WeightLayout layout;
  layout.add("norm", DType::kF32, {config.dim}, "norm.weight", {1, 0});
  return layout;
}

WeightPart text_embedding_part(const TextEncoderConfig& config) {
  return {"token_embedding.weight", {config.vocabulary, config.dim}, 0, {0, 1}};
}

int32_t relative_position_bucket(int64_t relative, int64_t num_buckets) {
  constexpr float kMaxDistance = 128;
  const int64_t half = num_buckets / 2;
  const int64_t exact = half / 2;
  const int64_t distance = std::abs(relative);
  int64_t bucket = distance;
  if (distance >= exact) {
    const float ratio = std::log(static_cast<float>(distance) / static_cast<float>(exact)) /
                        std::log(kMaxDistance / static_cast<float>(exact));
    bucket = std::min(half - 1, exact + static_cast<int64_t>(ratio * static_cast<float>(half - exact)));
  }
  return static_cast<int32_t>(bucket + (relative > 0 ? half : 0));
}

std::vector<Tensor> encode_text(Backend& backend, const TextEncoderConfig& config, DType compute,
                                const WeightSource& source, TensorView final_norm, LayerSource& layers,
                                std::span<const std::vector<int32_t>> ids) {
  const WeightLayout layout = text_encoder_layer_layout(config, 0, compute);
  std::vector<Stream> streams;
  for (const auto& prompt : ids) streams.push_back(begin_stream(backend, config, compute, source, prompt));
  for (int layer = 0; layer < config.num_layers; ++layer) {
    const TensorView slab = layers.acquire(layer);
    for (Stream& s : streams) run_layer(backend, config, layout, slab, s);
    layers.release(layer);
  }
  std::vector<Tensor> rows;
  for (Stream& s : streams) {
    backend.rms_norm(s.x, final_norm, config.eps, s.x);
    rows.push_back(backend.download(s.x));
  }
  return rows;
}

}  // namespace wan
