#include "pipeline/weight_files.h"

#include <algorithm>
#include <set>
#include <utility>

#include <fmt/format.h>

#include "base/file.h"
#include "base/hash.h"
#include "model/checkpoint_files.h"
#include "model/lora.h"

namespace wan {
namespace {

namespace fs = std::filesystem;

WeightIdentity identity_of(const std::string& component, const fs::path& path) {
  const MappedFile file(path);
  return {component, path.filename().string(), file.bytes().size(), edge_digest(file.bytes())};
}

}  // namespace

std::vector<fs::path> weight_paths(const WeightChoice& choice) {
  std::set<fs::path> paths;
  for (const PartFiles& part : files_of_parts(find_checkpoint_files(choice)))
    paths.insert(part.files.begin(), part.files.end());
  for (const LoraChoice& lora : choice.loras) paths.insert(lora_files(lora.file).factors);
  return {paths.begin(), paths.end()};
}

std::vector<WeightIdentity> identify_weights(const WeightChoice& choice) {
  std::vector<std::pair<fs::path, std::string>> files;
  for (const PartFiles& part : files_of_parts(find_checkpoint_files(choice)))
    for (const fs::path& path : part.files) files.emplace_back(path, part.component);
  std::sort(files.begin(), files.end());
  std::vector<WeightIdentity> weights;
  for (const auto& [path, component] : files) weights.push_back(identity_of(component, path));
  for (WeightIdentity& lora : identify_loras(choice.loras)) weights.push_back(std::move(lora));
  return weights;
}

std::vector<WeightIdentity> identify_loras(const std::vector<LoraChoice>& loras) {
  std::vector<WeightIdentity> identities;
  for (const LoraChoice& lora : loras) {
    const LoraFiles files = lora_files(lora.file);
    const std::string component = lora.expert.empty() ? "lora" : "lora." + lora.expert;
    identities.push_back(identity_of(component, files.factors));
    identities.back().strength = lora.strength;
    if (!files.adapter.empty()) identities.push_back(identity_of(component, files.adapter));
  }
  return identities;
}

std::vector<WeightIdentity> identify_weights(const fs::path& checkpoint) {
  return identify_weights(WeightChoice::at(checkpoint));
}

}  // namespace wan
