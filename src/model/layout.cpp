#include "model/layout.h"

#include <fmt/format.h>

#include "base/error.h"

namespace wan {

std::string_view name_of(ModelPart part) {
  switch (part) {
    case ModelPart::kDit: return "DiT";
    case ModelPart::kTextEncoder: return "text encoder";
    case ModelPart::kVae: return "VAE";
    case ModelPart::kAudioEncoder: return "audio encoder";
    case ModelPart::kImageEncoder: return "image encoder";
  }
  return "?";
}

std::string_view name_of(WeightNaming naming) {
  switch (naming) {
    case WeightNaming::kOfficial: return "official names";
    case WeightNaming::kDiffusers: return "diffusers' names";
    case WeightNaming::kTransformers: return "transformers' names";
    case WeightNaming::kLlamaCpp: return "llama.cpp's names";
  }
  return "?";
}

const std::vector<NamingSigns>& naming_signs() {
  static const std::vector<NamingSigns> signs{
      {ModelPart::kDit,
       WeightNaming::kOfficial,
       {"blocks.0.self_attn.norm_q.weight", "blocks.0.self_attn.q.bias", "time_projection.1.bias"}},
      {ModelPart::kDit,
       WeightNaming::kDiffusers,
       {"blocks.0.attn1.norm_q.weight", "blocks.0.attn1.to_q.bias", "condition_embedder.time_proj.bias"}},
      {ModelPart::kTextEncoder,
       WeightNaming::kOfficial,
       {"blocks.0.pos_embedding.embedding.weight", "blocks.0.attn.q.weight", "blocks.0.ffn.gate.0.weight"}},
      {ModelPart::kTextEncoder,
       WeightNaming::kTransformers,
       {"encoder.block.0.layer.0.SelfAttention.q.weight", "encoder.final_layer_norm.weight"}},
      {ModelPart::kTextEncoder, WeightNaming::kLlamaCpp, {"enc.blk.0.attn_q.weight", "enc.output_norm.weight"}},
      {ModelPart::kVae, WeightNaming::kOfficial, {"decoder.middle.0.residual.0.gamma", "decoder.head.0.gamma"}},
      {ModelPart::kVae,
       WeightNaming::kDiffusers,
       {"decoder.mid_block.resnets.0.norm1.gamma", "decoder.norm_out.gamma"}},
      {ModelPart::kAudioEncoder,
       WeightNaming::kOfficial,
       {"feature_projection.projection.weight", "encoder.pos_conv_embed.conv.bias"}},
      {ModelPart::kImageEncoder, WeightNaming::kOfficial, {"cls_embedding", "transformer.0.attn.to_qkv.weight"}},
  };
  return signs;
}

std::string stored_name(ModelPart part, WeightNaming naming, std::string_view official) {
  if (naming == WeightNaming::kOfficial) return std::string(official);
  switch (part) {
    case ModelPart::kDit: return stored_dit_name(naming, official);
    case ModelPart::kTextEncoder: return stored_text_encoder_name(naming, official);
    case ModelPart::kVae: return stored_vae_name(naming, official);
    case ModelPart::kAudioEncoder:
    case ModelPart::kImageEncoder: return std::string(official);
  }
  return {};
}

ExpectedPart expected_part(ModelPart part, const ShapeOf& shape_of, const HasTensor& has, const std::string& where) {
  switch (part) {
    case ModelPart::kDit: return expected_dit(shape_of, has, where);
    case ModelPart::kTextEncoder: return expected_text_encoder(shape_of, has, where);
    case ModelPart::kVae: return expected_vae(shape_of, has, where);
    case ModelPart::kAudioEncoder: return expected_audio_encoder(shape_of, has, where);
    case ModelPart::kImageEncoder: return expected_image_encoder(shape_of, has, where);
  }
  return {};
}

int64_t count_blocks(const HasTensor& has, std::string_view name, const std::string& where) {
  constexpr int64_t kMost = 1000;
  int64_t blocks = 0;
  while (blocks <= kMost && has(fmt::format("blocks.{}.{}", blocks, name))) ++blocks;
  require(blocks >= 1 && blocks <= kMost, fmt::format("{}: {} blocks by their tensors '{}', expected 1 to {}", where,
                                                      blocks > kMost ? "too many" : "no", name, kMost));
  return blocks;
}

int64_t checked_size(int64_t size, std::string_view what, const std::string& where) {
  constexpr int64_t kMost = 1'000'000;
  require(size >= 1 && size <= kMost,
          fmt::format("{}: by its tensors {} is {}, which no model has (1 to {})", where, what, size, kMost));
  return size;
}

Shape shape_with_axes(const ShapeOf& shape_of, const std::string& name, int axes, const std::string& where) {
  const Shape shape = shape_of(name);
  require(shape.rank() == axes, fmt::format("{}: {} has shape {}, expected {} axes", where, name, shape.text(), axes));
  return shape;
}

}  // namespace wan
