#include "model/official_layout.h"

#include <fmt/format.h>

namespace wan {
namespace {

constexpr std::string_view kDitStem = "diffusion_pytorch_model";

/// "dit" and, where the file lies in the folder of an expert that has a name, that.
std::string dit_component(const std::filesystem::path& relative) {
  const std::string folder = relative.parent_path().generic_string();
  for (const Variant& variant : variants())
    for (const ExpertSpec& expert : variant.experts)
      if (!expert.folder.empty() && folder == expert.folder) return fmt::format("dit.{}", expert.name);
  return "dit";
}

}  // namespace

std::string dit_shard_name(size_t index, size_t count) {
  return fmt::format("{}-{:05}-of-{:05}.safetensors", kDitStem, index + 1, count);
}

std::filesystem::path tokenizer_folder(const std::filesystem::path& checkpoint) {
  return checkpoint / "google" / "umt5-xxl";
}

std::vector<std::string> expert_folders(const Variant& variant) {
  std::vector<std::string> folders;
  for (const ExpertSpec& expert : variant.experts) folders.emplace_back(expert.folder);
  return folders;
}

std::string component_of(const std::filesystem::path& relative) {
  const std::string name = relative.filename().string();
  if (name.starts_with(kDitStem) && name.ends_with(".safetensors")) return dit_component(relative);
  if (name == kTextEncoderName) return "text_encoder";
  for (const Variant& variant : variants())
    if (name == variant.vae_traits().file_name) return "vae";
  if (name == "spiece.model" || name == "tokenizer.json") return "tokenizer";
  return {};
}

}  // namespace wan
