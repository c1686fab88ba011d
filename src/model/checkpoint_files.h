// Where the parts of a model lie, in whatever layout: the official folder, a diffusers folder, a repository in the
// cache of huggingface_hub, the folders of a ComfyUI installation, single files. Nothing is guessed: what could be
// meant in two ways is asked for by a flag.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "base/weight_choice.h"
#include "model/variant.h"

namespace wan {

struct CheckpointFiles {
  std::string layout;                       // "official", "diffusers", "ComfyUI", "single files": for people
  std::filesystem::path folder;             // of the whole model, or that of the DiT: what else describes it lies there
  std::vector<std::filesystem::path> dits;  // the only one, or high noise and low noise
  std::vector<std::string> evidence;        // by what each was taken for that
  std::filesystem::path text_encoder, vae;  // may be a DiT's file, which then holds several parts
  std::filesystem::path audio_encoder;      // of models that take audio; empty: none is there
  std::filesystem::path image_encoder;      // of models that attend to a picture; likewise
  std::filesystem::path tokenizer;          // a file or a folder; empty: within the text encoder's file
};

/// Reads names, headers and small files of JSON. Throws Error(kInput, kUsage) that names what is missing, what is there
/// twice and the flag that decides; of files of other models what they are.
CheckpointFiles find_checkpoint_files(const WeightChoice& choice);

/// What a name says of an expert: "high" or "low" as a word of it, in the file's name or else in its folder's. Nothing
/// for a name that says neither or both.
std::optional<NoiseRange> expert_by_name(const std::filesystem::path& file);

/// A part's files as they lie on the disk.
struct PartFiles {
  std::string
      component;  // "dit", "dit.high_noise", "text_encoder", "vae", "audio_encoder", "image_encoder", "tokenizer"
  std::vector<std::filesystem::path> files;
};
/// Every file that would be read, shards by their index, in the order of the parts.
std::vector<PartFiles> files_of_parts(const CheckpointFiles& files);

}  // namespace wan
