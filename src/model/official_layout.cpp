#include "model/official_layout.h"

namespace wan {
std::filesystem::path tokenizer_folder(const std::filesystem::path& checkpoint) {
  return checkpoint / "google" / "umt5-xxl";
}

std::vector<std::string> expert_folders(const Variant& variant) {
  std::vector<std::string> folders;
  for (const ExpertSpec& expert : variant.experts) folders.emplace_back(expert.folder);
  return folders;
}

}  // namespace wan
