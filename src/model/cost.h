// Floating-point operations of the model's parts, counted from shapes (a multiply-add is two). Written into every
// record, so that old results stay analysable without the engine. Elementwise work is left out: it is below 1 % and
// bound by memory.
#pragma once

#include <cstdint>

#include "model/audio_encoder.h"
#include "model/dit.h"
#include "model/image_encoder.h"
#include "model/text_encoder.h"
#include "model/vae.h"

namespace wan {

struct DitCost {
  double gemm = 0;  // projections, feed-forward, patch embedding and head; what a face goes in by
  double self_attention = 0;
  double cross_attention = 0;  // to text, a picture and a face
  double total() const { return gemm + self_attention + cross_attention; }
};

/// One forward pass over `tokens` tokens of a latent and those that an extension adds. Text and time embeddings, and
/// what sound becomes, computed once a prompt, schedule or clip, are not in it.
DitCost dit_cost(const DitConfig& config, int64_t tokens, int64_t added = 0);

/// Of it, what a forward pass that takes an earlier one's blocks still does: patch embedding and head.
double dit_ends_cost(const DitConfig& config, int64_t tokens);

/// Encoding a prompt of `tokens` tokens.
double text_encoder_cost(const TextEncoderConfig& config, int64_t tokens);

/// Encoding so many samples of sound, normalised.
double audio_encoder_cost(const AudioEncoderConfig& config, int64_t samples);

/// Encoding one face's motion.
double motion_encoder_cost(const AnimateConfig& config);

/// Encoding a picture.
double image_encoder_cost(const ImageEncoderConfig& config);

/// Decoding latents [z, T, H, W]; widths are read off `file`, or the published ones when it is null.
double vae_decode_cost(const VaeConfig& config, const WeightFile* file, int64_t frames, int64_t height, int64_t width);
/// Encoding F pixel frames of H x W.
double vae_encode_cost(const VaeConfig& config, const WeightFile* file, int64_t frames, int64_t height, int64_t width);

/// Activations that the convolutions read and write meanwhile, each once: what the work that memory bounds goes with.
double vae_decode_values(const VaeConfig& config, const WeightFile* file, int64_t frames, int64_t height,
                         int64_t width);
double vae_encode_values(const VaeConfig& config, const WeightFile* file, int64_t frames, int64_t height,
                         int64_t width);

}  // namespace wan
