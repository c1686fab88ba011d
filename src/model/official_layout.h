// Where the files of a checkpoint folder in the official layout lie, and what each of them is.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "model/variant.h"

namespace wan {

/// What the names of a DiT's files begin with, in diffusers' layout too, where a VAE's do as well.
inline constexpr std::string_view kDitStem = "diffusion_pytorch_model";
inline constexpr const char* kDitName = "diffusion_pytorch_model.safetensors";
inline constexpr const char* kDitIndexName = "diffusion_pytorch_model.safetensors.index.json";
inline constexpr const char* kTextEncoderName = "models_t5_umt5-xxl-enc-bf16.pth";
/// Of models that take audio: its encoder's folder, as transformers writes it.
inline constexpr const char* kAudioEncoderFolder = "wav2vec2-large-xlsr-53-english";
/// Of models that attend to a picture: its encoder, CLIP's.
inline constexpr const char* kImageEncoderName = "models_clip_open-clip-xlm-roberta-large-vit-huge-14.pth";
/// In front of its tensors there, where the text's tower lies too.
inline constexpr const char* kImageTowerPrefix = "visual.";
/// Of this program: what the checkpoint is best sampled with. Read by pipeline/checkpoint_defaults.h.
inline constexpr const char* kCheckpointDefaultsName = "wanbench.json";

std::filesystem::path tokenizer_folder(const std::filesystem::path& checkpoint);

/// Of the variant's experts, relative to the checkpoint's; empty: that folder itself.
std::vector<std::string> expert_folders(const Variant& variant);

}  // namespace wan
