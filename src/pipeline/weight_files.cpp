#include "pipeline/weight_files.h"

#include <algorithm>

#include <fmt/format.h>

#include "base/error.h"
#include "base/file.h"
#include "base/hash.h"
#include "model/official_layout.h"

namespace wan {
namespace {

namespace fs = std::filesystem;

std::string edge_digest(const MappedFile& file) {
  constexpr size_t kEdge = 65536;
  const auto bytes = file.bytes();
  const size_t edge = std::min(bytes.size(), kEdge);
  Sha256 hash;
  hash.update(fmt::format("{}\n", bytes.size()));
  hash.update(bytes.first(edge));
  hash.update(bytes.last(edge));
  return hash.hex();
}

}  // namespace

std::vector<fs::path> weight_paths(const fs::path& checkpoint) {
  std::error_code failure;
  fs::recursive_directory_iterator entries(checkpoint, fs::directory_options::follow_directory_symlink, failure);
  require(!failure, fmt::format("cannot list the checkpoint {}: {}", checkpoint.string(), failure.message()));
  std::vector<fs::path> files;
  for (const fs::directory_entry& entry : entries) {
    const fs::path relative = entry.path().lexically_relative(checkpoint);
    if (entry.is_regular_file() && !component_of(relative).empty()) files.push_back(entry.path());
  }
  std::sort(files.begin(), files.end());
  return files;
}

std::vector<WeightIdentity> identify_weights(const fs::path& checkpoint) {
  std::vector<WeightIdentity> weights;
  for (const fs::path& path : weight_paths(checkpoint)) {
    const fs::path relative = path.lexically_relative(checkpoint);
    const MappedFile file(path);
    weights.push_back({component_of(relative), relative.filename().string(), file.bytes().size(), edge_digest(file)});
  }
  return weights;
}

}  // namespace wan
