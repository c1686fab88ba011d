// Which model a DiT is of, and what no tensor of it tells: its heads and a few numbers, read from a config.json beside
// it, from GGUF's keys, or known of the published models.
#pragma once

#include <filesystem>
#include <string>

#include "model/audio_encoder.h"
#include "model/dit_config.h"
#include "model/image_encoder.h"
#include "model/variant.h"
#include "model/weight_file.h"

namespace wan {

struct DitIdentity {
  const Variant* variant = nullptr;
  DitConfig config;
  std::string evidence;  // of the heads: "config.json", "128 a head, as the published models have"
};

/// `config` is a config.json of the official form or of diffusers'; where there is no such file its numbers are those
/// of GGUF's wan.attention.head_count or of the published models. Sizes are the tensors'. Throws Error(kInput) naming
/// the config and the field that is absurd or contradicts the tensors, or the file whose model or heads nothing tells.
DitIdentity identify_dit(const WeightFile& file, const std::filesystem::path& config);

/// Whether a DiT of these sizes is known without a config.json: by its tensors, and else as the published models are.
bool is_told_by_tensors(const DitConfig& config);

/// With the config.json in the file's own folder.
DitIdentity identify_dit(const WeightFile& file);

/// Reads an audio encoder's heads and the rest that no tensor tells from its config.json, if that is there. Throws
/// Error(kInput) naming it where it is absurd, contradicts the tensors or is of a form that is not read.
void identify_audio_encoder(const std::filesystem::path& config, AudioEncoderConfig& audio);

/// The same of an image encoder's heads, which have no file of their own: `image_encoder_heads` in the DiT's
/// config.json where that is there, else those of the published width. `file` begins messages.
void identify_image_encoder(const std::string& file, const std::filesystem::path& config, ImageEncoderConfig& image);

}  // namespace wan
