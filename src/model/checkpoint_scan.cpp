#include "model/checkpoint_scan.h"

#include <algorithm>
#include <array>
#include <set>
#include <string_view>

#include <fmt/format.h>

#include "base/error.h"
#include "base/file_kind.h"
#include "io/tensor_file.h"
#include "model/foreign_files.h"
#include "model/weight_file.h"

namespace wan {
namespace {

namespace fs = std::filesystem;

constexpr int kDeepest = 4;
constexpr size_t kMostEntries = 10'000;

/// Folders of ComfyUI's `models` that hold parts of a model. Source: ComfyUI folder_paths.py.
constexpr std::array<std::string_view, 6> kComfyFolders{"diffusion_models", "unet", "text_encoders", "clip", "vae",
                                                        "checkpoints"};

/// A file of weights that is no shard: shards are read through their index.
bool is_weights(const fs::path& path) {
  const std::string name = path.filename().string();
  if (name.ends_with(".safetensors.index.json")) return true;
  if (name.find("-of-0") != std::string::npos) return false;
  return name.ends_with(".safetensors") || name.ends_with(".gguf") || name.ends_with(".pth");
}

/// Nothing of a file that cannot be opened or is of another model.
HeldParts look(const fs::path& file) {
  try {
    return parts_in(file);
  } catch (const Error&) {
    return {};
  }
}

}  // namespace

bool has_comfy_folders(const fs::path& folder) {
  return std::count_if(kComfyFolders.begin(), kComfyFolders.end(),
                       [&](std::string_view name) { return is_folder(folder / name); }) > 1;
}

HeldParts parts_in(const fs::path& file) {
  if (const auto damaged = damaged_weights(file)) throw Error(ErrorKind::kInput, damaged->message());
  const TensorFile tensors = TensorFile::open(file);
  HeldParts held;
  for (const ModelPart part : parts_held(tensors)) {
    held.dit |= part == ModelPart::kDit;
    held.text_encoder |= part == ModelPart::kTextEncoder;
    held.vae |= part == ModelPart::kVae;
  }
  if (held.dit || held.text_encoder || held.vae) return held;
  WeightFile::open(file);  // says what it is
  throw Error(ErrorKind::kInput, fmt::format("{}: holds no part of a model of this family", file.string()));
}

ScannedFolder scan_folder(const fs::path& folder) {
  ScannedFolder found;
  const fs::path place =
      !has_comfy_folders(folder) && has_comfy_folders(folder / "models") ? folder / "models" : folder;
  found.is_comfy = has_comfy_folders(place);
  std::vector<fs::path> files;
  std::set<fs::path> tokenizers;
  std::error_code failure;
  size_t seen = 0;
  fs::recursive_directory_iterator entry(place, fs::directory_options::follow_directory_symlink, failure);
  require(!failure, fmt::format("cannot list {}: {}", place.string(), failure.message()));
  for (const fs::recursive_directory_iterator end; !failure && entry != end; entry.increment(failure)) {
    require(++seen <= kMostEntries, fmt::format("{}: has more than {} entries: name the files with --dit, "
                                                "--text-encoder and --vae",
                                                place.string(), kMostEntries));
    if (entry.depth() >= kDeepest) entry.disable_recursion_pending();
    const fs::path& path = entry->path();
    if (!is_file(path)) continue;
    const std::string name = path.filename().string();
    if (name == "tokenizer.json" || name == "spiece.model") tokenizers.insert(path.parent_path());
    const bool is_lora = path.string().find("/loras/") != std::string::npos;
    if (is_weights(path) && !is_lora) files.push_back(path);
  }
  require(files.size() <= kMostLooked, fmt::format("{}: has {} files of weights, of which {} are looked at: name the "
                                                   "files with --dit, --text-encoder and --vae",
                                                   place.string(), files.size(), kMostLooked));
  std::sort(files.begin(), files.end());
  found.files = files.size();
  found.tokenizers.assign(tokenizers.begin(), tokenizers.end());
  for (const fs::path& file : files) {
    const HeldParts held = look(file);
    if (held.dit) found.dits.push_back(file);
    if (held.text_encoder) found.text_encoders.push_back(file);
    if (held.vae) found.vaes.push_back(file);
  }
  return found;
}

}  // namespace wan
