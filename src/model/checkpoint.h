// A checkpoint folder in the official layout: which variant it is, its files, and whether they hold what the model
// needs.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "io/tensor_file.h"
#include "model/dit.h"
#include "model/official_layout.h"
#include "model/text_encoder.h"
#include "model/vae.h"
#include "model/variant.h"

namespace wan {

/// An opened and checked checkpoint. Nothing is read but headers.
struct Checkpoint {
  std::filesystem::path folder;
  const Variant* variant = nullptr;
  std::vector<TensorFile> dits;  // of the variant's experts, in their order
  DitConfig dit;
  TensorFile text_encoder;
  TextEncoderConfig text;
  TensorFile vae_file;
  VaeConfig vae;
  std::filesystem::path tokenizer;  // its folder
};

/// Throws Error(kInput) that names what is missing, what files of another program or half a download are
/// (model/foreign_files.h) and, for a folder that is not there, where each official checkpoint can be had.
Checkpoint open_checkpoint(const std::filesystem::path& folder);

/// Names, sizes, licence and download command of the official checkpoints, for messages and documentation.
std::string official_checkpoints_help();

}  // namespace wan
