// The UMT5 text encoder: sizes from tensor shapes, weight layouts, and the forward pass on a prompt's own tokens.
// Source: Wan-Video/Wan2.2 wan/modules/t5.py (T5Encoder with shared_pos = false).
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "backend/backend.h"
#include "model/layers.h"
#include "model/weights.h"

namespace wan {

struct TextEncoderConfig {
  int64_t vocabulary = 0, dim = 0, dim_attention = 0, dim_ffn = 0, num_heads = 0, num_layers = 0, num_buckets = 32;
  float eps = 1e-6f;
};

TextEncoderConfig published_text_encoder_config();

WeightLayout text_encoder_layer_layout(const TextEncoderConfig& config, int layer, DType compute);
/// The final norm, F32 [dim].
WeightLayout text_encoder_norm_layout(const TextEncoderConfig& config);
/// The embedding table; gathered on the host by row, never copied whole.
WeightPart text_embedding_part(const TextEncoderConfig& config);

/// T5 bucket of a relative position key - query, bidirectional, maximum distance 128.
int32_t relative_position_bucket(int64_t relative, int64_t num_buckets);

/// Encodes several prompts in one pass over the layers, so that each layer's weights are needed once.
///   ids      token ids of each prompt, the closing one included, 1 .. 512 of them
///   source   rows of the embedding table are read from it
///   compute  dtype of matrices and activations; the residual stays F32
/// Returns F32 host rows [n, dim] a prompt. Throws Error(kInput) for an id outside the vocabulary.
std::vector<Tensor> encode_text(Backend& backend, const TextEncoderConfig& config, DType compute,
                                const WeightSource& source, TensorView final_norm, LayerSource& layers,
                                std::span<const std::vector<int32_t>> ids);

}  // namespace wan
