#include "model/official_layout.h"

#include <fmt/format.h>

namespace wan {
namespace {

constexpr std::string_view kDitStem = "diffusion_pytorch_model";

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

}  // namespace wan
