// What the files of a folder are, by their headers.
#pragma once

#include <cstddef>
#include <filesystem>
#include <vector>

namespace wan {

/// The parts of a model that one file holds.
struct HeldParts {
  bool dit = false, text_encoder = false, vae = false;
};

/// Reads the header. Throws Error(kInput) naming the file when it holds no part of a model of this family, and for
/// other models' files, saying what they are.
HeldParts parts_in(const std::filesystem::path& file);

/// Whether a folder is ComfyUI's `models`: it has two of its folders of parts.
bool has_comfy_folders(const std::filesystem::path& folder);

struct ScannedFolder {
  std::vector<std::filesystem::path> dits, text_encoders, vaes;  // sorted
  std::vector<std::filesystem::path> tokenizers;                 // folders with tokenizer.json or spiece.model
  bool is_comfy = false;                                         // it has ComfyUI's folders
  size_t files = 0;                                              // of weights, of whatever model
};

/// Looks at the weights in a folder and four levels below it, kMostLooked files at most; of a ComfyUI installation at
/// its folder `models`. LoRAs, other models and files that are no weights are left out. Throws Error(kInput) for a
/// folder that cannot be listed or has more files of weights.
ScannedFolder scan_folder(const std::filesystem::path& folder);

}  // namespace wan
