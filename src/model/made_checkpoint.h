// A checkpoint of random weights on its way into a folder, one function a layout. Private to model/.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "model/checkpoint_folder.h"
#include "model/checkpoint_writer.h"
#include "model/weights.h"

namespace wan {

struct MadeCheckpoint {
  const CheckpointSizes& sizes;
  CheckpointForm form;
  std::filesystem::path tokenizer;  // a folder or a file
  std::vector<WeightSource> dits;   // of the variant's experts
  WeightSource text_encoder, vae, audio_encoder, image_encoder;
};

/// kDiffusers. Source: diffusers scripts/convert_wan_to_diffusers.py.
void add_diffusers(CheckpointFolder& folder, const MadeCheckpoint& made, uint64_t shard_bytes);
/// kComfy, kComfyFp8, kGgufQ4KM, kGgufQ8_0. Sources: the names of Comfy-Org's files, ComfyUI comfy/utils.py,
/// ComfyUI-GGUF tools/convert.py and lcpp.patch.
void add_comfy(CheckpointFolder& folder, const MadeCheckpoint& made);

/// config.json in the official form; `image_heads`, of a model that attends to a picture, where that encoder's heads
/// are not of the published width.
std::string official_dit_config(const Variant& variant, const DitConfig& config,
                                std::optional<int64_t> image_heads = std::nullopt);

/// The double whose shortest spelling is that of `value`: 1e-06, not its nearest float.
double shortest(float value);

}  // namespace wan
