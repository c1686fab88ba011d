// The image encoder of models that attend to a picture, CLIP ViT-H/14's vision tower without its last block: sizes from
// tensor shapes, weight layouts, and the forward pass. F32 throughout.
// Source: Wan-Video/Wan2.2 wan/modules/animate/clip.py (CLIPModel.visual, VisionTransformer).
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "backend/backend.h"
#include "io/resize.h"
#include "model/layers.h"
#include "model/probe.h"
#include "model/weights.h"

namespace wan {

struct ImageEncoderConfig {
  int64_t dim = 0, dim_ffn = 0, num_heads = 0;
  int64_t num_layers = 0;  // that are computed: the stored ones but the last
  int64_t patch = 0;       // pixels a side
  int64_t patches = 0;     // a side
  float eps = 1e-5f;

  int64_t tokens() const { return 1 + patches * patches; }  // the class's first
  int64_t side() const { return patch * patches; }
};

ImageEncoderConfig published_image_encoder_config();

/// Heads of an encoder whose config.json says none: of the published width of a head. 0: it has no such heads.
int64_t usual_image_encoder_heads(const ImageEncoderConfig& config);

/// Patches, class, positions and the norm before the layers.
WeightLayout image_stem_layout(const ImageEncoderConfig& config);
WeightLayout image_layer_layout(const ImageEncoderConfig& config, int64_t layer);

/// What the encoder takes of a picture [3, height, width] in [-1, 1]: stretched to its square (torch's bicubic, not
/// antialiased) and normalised, host F32 [3, side, side].
Tensor image_encoder_pixels(const ImageEncoderConfig& config, std::span<const float> planes, Size size);

/// Tokens F32 on the device [tokens, dim] of `pixels`, as image_encoder_pixels gives them. `stem` holds
/// image_stem_layout.
Tensor encode_image_tokens(Backend& backend, const ImageEncoderConfig& config, TensorView stem, LayerSource& layers,
                           TensorView pixels, Probe* probe = nullptr);

}  // namespace wan
