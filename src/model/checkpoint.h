// A checkpoint folder in the official layout: which variant it is, its files, and whether they hold what the model
// needs.
#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "io/tensor_file.h"
#include "model/dit.h"
#include "model/text_encoder.h"
#include "model/vae.h"

namespace wan {

// Names of the official layout.
inline constexpr const char* kDitIndexName = "diffusion_pytorch_model.safetensors.index.json";
inline constexpr const char* kTextEncoderName = "models_t5_umt5-xxl-enc-bf16.pth";
inline constexpr std::array<const char*, 2> kExpertFolders{"high_noise_model", "low_noise_model"};
const char* vae_file_name(VaeVersion version);
std::filesystem::path tokenizer_folder(const std::filesystem::path& checkpoint);

/// Sampling defaults of a published variant. Source: wan/configs/wan_*.py.
struct ModelDefaults {
  int steps = 50;
  double shift = 5.0;
  double guidance_low = 5.0, guidance_high = 5.0;
  double boundary = 0;  // 0: one model
  int64_t num_frames = 121;
  double fps = 24;
  int64_t width = 1280, height = 704;
  std::string negative_prompt;
};

/// `model_type` is ti2v, t2v or i2v.
ModelDefaults model_defaults(const std::string& model_type);

/// An opened and checked checkpoint. Nothing is read but headers.
struct Checkpoint {
  std::filesystem::path folder;
  std::vector<TensorFile> dits;  // one, or high-noise then low-noise expert
  DitConfig dit;
  TensorFile text_encoder;
  TextEncoderConfig text;
  TensorFile vae_file;
  VaeConfig vae;
  std::filesystem::path tokenizer;  // folder google/umt5-xxl

  bool two_experts() const { return dits.size() == 2; }
};

/// Throws Error(kInput) that names what is missing and, for a folder that is not there, where each official checkpoint
/// can be had.
Checkpoint open_checkpoint(const std::filesystem::path& folder);

/// Names, sizes, licence and download command of the official checkpoints, for messages and documentation.
std::string official_checkpoints_help();

}  // namespace wan
