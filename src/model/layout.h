// The namings in which models of this family are passed around. Each is a map from the official names: what a file
// should hold is known, so names are made and looked up, never taken apart.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "model/audio_encoder.h"
#include "model/dit_config.h"
#include "model/image_encoder.h"
#include "model/text_encoder.h"
#include "model/variant.h"

namespace wan {

/// What a file of weights is for.
enum class ModelPart : uint8_t { kDit, kTextEncoder, kVae, kAudioEncoder, kImageEncoder };

/// Whose names a file has.
enum class WeightNaming : uint8_t { kOfficial, kDiffusers, kTransformers, kLlamaCpp };

/// For messages: "text encoder"; "transformers' names".
std::string_view name_of(ModelPart part);
std::string_view name_of(WeightNaming naming);

/// The namings that files of a part have, each with names by which it is known. A file of the naming has any of them,
/// one of another naming none.
struct NamingSigns {
  ModelPart part;
  WeightNaming naming;
  std::vector<std::string_view> names;  // as stored, behind the prefix
};
const std::vector<NamingSigns>& naming_signs();

/// What `naming` calls the tensor that is officially `official`. In transformers' naming a table of embeddings may
/// have kOtherEmbedding as well or instead.
std::string stored_name(ModelPart part, WeightNaming naming, std::string_view official);
inline constexpr std::string_view kOtherEmbedding = "encoder.embed_tokens.weight";
/// What newer transformers call the two halves of the audio encoder's normed weight; empty for another tensor.
std::string_view newer_audio_name(std::string_view official);

/// Sizes of a part as its tensors have them.
struct PartSizes {
  /// Of a kDit; num_heads 0, unless norms of single heads tell them, and the blocks behind which audio goes in unset,
  /// which no tensor tells.
  DitConfig dit;
  TextEncoderConfig text;  // of a kTextEncoder
  VaeVersion vae = VaeVersion::k22;
  int64_t latent_channels = 0;  // of a kVae
  AudioEncoderConfig audio;     // of a kAudioEncoder; num_heads 0
  ImageEncoderConfig image;     // of a kImageEncoder; num_heads 0
};

/// A tensor that a part has: its official name and shape.
struct ExpectedWeight {
  std::string name;
  Shape shape;
};

struct ExpectedPart {
  PartSizes sizes;
  std::vector<ExpectedWeight> weights;
};

/// The shape of an official tensor in the file. Throws Error(kInput) that names it where it is missing.
using ShapeOf = std::function<Shape(const std::string& official)>;
/// Whether the file has it.
using HasTensor = std::function<bool(const std::string& official)>;

/// Every tensor of a part whose sizes are those of a few of its tensors. Throws Error(kInput) begun with `where` for a
/// size that is absurd, and what `shape_of` throws.
ExpectedPart expected_part(ModelPart part, const ShapeOf& shape_of, const HasTensor& has, const std::string& where);

// One of these a part; expected_part and stored_name are for all of them.
std::string stored_dit_name(WeightNaming naming, std::string_view official);
std::string stored_text_encoder_name(WeightNaming naming, std::string_view official);
std::string stored_vae_name(WeightNaming naming, std::string_view official);
ExpectedPart expected_dit(const ShapeOf& shape_of, const HasTensor& has, const std::string& where);
ExpectedPart expected_text_encoder(const ShapeOf& shape_of, const HasTensor& has, const std::string& where);
ExpectedPart expected_vae(const ShapeOf& shape_of, const HasTensor& has, const std::string& where);
ExpectedPart expected_audio_encoder(const ShapeOf& shape_of, const HasTensor& has, const std::string& where);
ExpectedPart expected_image_encoder(const ShapeOf& shape_of, const HasTensor& has, const std::string& where);

/// What a driving video adds to a DiT of so many blocks, by its tensors.
AnimateConfig expected_animate(const ShapeOf& shape_of, const HasTensor& has, int64_t layers, const std::string& where);

/// Every tensor of a DiT of these sizes.
std::vector<ExpectedWeight> dit_weights(const DitConfig& config);

/// How many tensors blocks.0.NAME, blocks.1.NAME, ... there are, which must be 1 to 1000. Throws Error(kInput).
int64_t count_blocks(const HasTensor& has, std::string_view name, const std::string& where);

/// `size`, which must be one that a model could have. Throws Error(kInput).
int64_t checked_size(int64_t size, std::string_view what, const std::string& where);

/// The shape of a tensor that must have so many axes. Throws Error(kInput), which `where` begins, for another number.
Shape shape_with_axes(const ShapeOf& shape_of, const std::string& name, int axes, const std::string& where);

}  // namespace wan
