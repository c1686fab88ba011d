// UMT5 in the namings of transformers (also ComfyUI's files) and of llama.cpp, and its sizes. Kijai and LightX2V have
// the official names.
#include <array>

#include <fmt/format.h>

#include "base/error.h"
#include "model/layout.h"

namespace wan {
namespace {

struct Renamed {
  std::string_view official, transformers, llama_cpp;
};

constexpr std::array<Renamed, 2> kStem{{
    {"token_embedding.weight", "shared.weight", "token_embd.weight"},
    {"norm.weight", "encoder.final_layer_norm.weight", "enc.output_norm.weight"},
}};

/// Within a block. The gate is wi_0, which goes through GELU; fc1 is wi_1.
constexpr std::array<Renamed, 10> kBlock{{
    {"norm1.weight", "layer.0.layer_norm.weight", "attn_norm.weight"},
    {"norm2.weight", "layer.1.layer_norm.weight", "ffn_norm.weight"},
    {"attn.q.weight", "layer.0.SelfAttention.q.weight", "attn_q.weight"},
    {"attn.k.weight", "layer.0.SelfAttention.k.weight", "attn_k.weight"},
    {"attn.v.weight", "layer.0.SelfAttention.v.weight", "attn_v.weight"},
    {"attn.o.weight", "layer.0.SelfAttention.o.weight", "attn_o.weight"},
    {"pos_embedding.embedding.weight", "layer.0.SelfAttention.relative_attention_bias.weight", "attn_rel_b.weight"},
    {"ffn.gate.0.weight", "layer.1.DenseReluDense.wi_0.weight", "ffn_gate.weight"},
    {"ffn.fc1.weight", "layer.1.DenseReluDense.wi_1.weight", "ffn_up.weight"},
    {"ffn.fc2.weight", "layer.1.DenseReluDense.wo.weight", "ffn_down.weight"},
}};

template <size_t N>
std::string_view renamed(WeightNaming naming, std::string_view name, const std::array<Renamed, N>& table) {
  for (const Renamed& row : table)
    if (row.official == name) return naming == WeightNaming::kTransformers ? row.transformers : row.llama_cpp;
  throw Error(fmt::format("no tensor of the text encoder is called {}", name));
}

}  // namespace

std::string stored_text_encoder_name(WeightNaming naming, std::string_view official) {
  constexpr std::string_view kBlocks = "blocks.";
  if (!official.starts_with(kBlocks)) return std::string(renamed(naming, official, kStem));
  const size_t dot = official.find('.', kBlocks.size());
  return fmt::format("{}{}.{}", naming == WeightNaming::kTransformers ? "encoder.block." : "enc.blk.",
                     official.substr(kBlocks.size(), dot - kBlocks.size()),
                     renamed(naming, official.substr(dot + 1), kBlock));
}

ExpectedPart expected_text_encoder(const ShapeOf& shape_of, const HasTensor& has, const std::string& where) {
  const auto size = [&](std::string_view what, int64_t count) { return checked_size(count, what, where); };
  const auto matrix = [&](const char* name) { return shape_with_axes(shape_of, name, 2, where); };
  ExpectedPart part;
  TextEncoderConfig& c = part.sizes.text;
  c.vocabulary = size("the number of words", matrix("token_embedding.weight")[0]);
  c.dim = size("the width", shape_of("norm.weight").count());
  c.dim_attention = size("the width of attention", matrix("blocks.0.attn.q.weight")[0]);
  c.dim_ffn = size("the width of the feed-forward network", matrix("blocks.0.ffn.gate.0.weight")[0]);
  const Shape positions = matrix("blocks.0.pos_embedding.embedding.weight");
  c.num_buckets = size("the number of relative positions", positions[0]);
  c.num_heads = size("the number of heads", positions[1]);
  c.num_layers = count_blocks(has, "norm1.weight", where);
  require(c.num_buckets % 4 == 0 && c.dim_attention % c.num_heads == 0,
          fmt::format("{}: {} relative positions and {} heads do not fit attention of width {}", where, c.num_buckets,
                      c.num_heads, c.dim_attention));
  const WeightPart table = text_embedding_part(c);
  part.weights.push_back({table.source, table.shape});
  std::vector<WeightLayout> layouts{text_encoder_norm_layout(c)};
  for (int i = 0; i < c.num_layers; ++i) layouts.push_back(text_encoder_layer_layout(c, i, DType::kF32));
  for (const WeightLayout& layout : layouts)
    for (const WeightSlot& slot : layout.slots())
      for (const WeightPart& weight : slot.parts) part.weights.push_back({weight.source, weight.shape});
  return part;
}

}  // namespace wan
