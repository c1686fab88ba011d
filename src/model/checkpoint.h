// A model's weights, opened: which variant it is, its files in whatever form, and whether they belong together.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "model/audio_encoder.h"
#include "model/checkpoint_files.h"
#include "model/dit.h"
#include "model/image_encoder.h"
#include "model/text_encoder.h"
#include "model/tokenizer.h"
#include "model/vae.h"
#include "model/variant.h"
#include "model/weight_file.h"

namespace wan {

/// An opened and checked checkpoint. Nothing is read but headers.
struct Checkpoint {
  CheckpointFiles files;
  const Variant* variant = nullptr;
  std::vector<WeightFile> dits;  // of the variant's experts, in their order
  DitConfig dit;
  std::string heads_evidence;  // by what the number of heads is known
  WeightFile text_encoder;
  TextEncoderConfig text;
  WeightFile vae_file;
  VaeConfig vae;
  std::optional<WeightFile> audio_encoder;  // of a model that takes audio
  AudioEncoderConfig audio;
  std::optional<WeightFile> image_encoder;  // of a model that attends to a picture
  ImageEncoderConfig image;
};

/// Throws Error(kInput) that names what is missing, what files of another program or half a download are
/// (model/foreign_files.h), what does not belong together and, for a folder that is not there, where each official
/// checkpoint can be had.
Checkpoint open_checkpoint(const WeightChoice& choice);
/// The same of one folder or file.
Checkpoint open_checkpoint(const std::filesystem::path& checkpoint);

/// From its folder or file, or from within the text encoder's file. Throws Error(kInput) naming the file.
Tokenizer open_tokenizer(const Checkpoint& checkpoint);

/// Names, sizes, licence and download command of the official checkpoints, for messages and documentation.
std::string official_checkpoints_help();

}  // namespace wan
