// Where the files of a checkpoint folder in the official layout lie, and what each of them is.
#pragma once

#include <cstddef>
#include <filesystem>
#include <string>
#include <vector>

#include "model/variant.h"

namespace wan {

inline constexpr const char* kDitName = "diffusion_pytorch_model.safetensors";
inline constexpr const char* kDitIndexName = "diffusion_pytorch_model.safetensors.index.json";
inline constexpr const char* kTextEncoderName = "models_t5_umt5-xxl-enc-bf16.pth";
/// Of this program: what the checkpoint is best sampled with. Read by pipeline/checkpoint_defaults.h.
inline constexpr const char* kCheckpointDefaultsName = "wanbench.json";

/// Of the files a DiT is split into; `index` from 0.
std::string dit_shard_name(size_t index, size_t count);

std::filesystem::path tokenizer_folder(const std::filesystem::path& checkpoint);

/// Of the variant's experts, relative to the checkpoint's; empty: that folder itself.
std::vector<std::string> expert_folders(const Variant& variant);

}  // namespace wan
