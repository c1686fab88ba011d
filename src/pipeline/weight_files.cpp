#include "pipeline/weight_files.h"

#include <algorithm>
#include <set>
#include <utility>

#include <fmt/format.h>

#include "base/file.h"
#include "base/hash.h"
#include "model/checkpoint_files.h"

namespace wan {
namespace {

namespace fs = std::filesystem;

}  // namespace

std::vector<fs::path> weight_paths(const WeightChoice& choice) {
  std::set<fs::path> paths;
  for (const PartFiles& part : files_of_parts(find_checkpoint_files(choice)))
    paths.insert(part.files.begin(), part.files.end());
  return {paths.begin(), paths.end()};
}

std::vector<WeightIdentity> identify_weights(const WeightChoice& choice) {
  std::vector<std::pair<fs::path, std::string>> files;
  for (const PartFiles& part : files_of_parts(find_checkpoint_files(choice)))
    for (const fs::path& path : part.files) files.emplace_back(path, part.component);
  std::sort(files.begin(), files.end());
  std::vector<WeightIdentity> weights;
  for (const auto& [path, component] : files) {
    const MappedFile file(path);
    weights.push_back({component, path.filename().string(), file.bytes().size(), edge_digest(file.bytes())});
  }
  return weights;
}

std::vector<WeightIdentity> identify_weights(const fs::path& checkpoint) {
  return identify_weights(WeightChoice::at(checkpoint));
}

}  // namespace wan
