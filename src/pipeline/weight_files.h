// Which weights a checkpoint holds: told apart without reading all of them.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace wan {

/// What is said with a digest of this kind: of a file's size, its first and its last 64 KiB.
inline constexpr const char* kEdgeDigest = "size+head+tail";

/// A file of weights, by its content.
struct WeightIdentity {
  std::string component;  // as component_of (model/official_layout.h)
  std::string file;       // name without folders
  uint64_t size_bytes = 0;
  std::string digest;  // kEdgeDigest, in hexadecimal

  bool operator==(const WeightIdentity&) const = default;
};

/// Where the weight files of a folder in the official layout lie, sorted. Throws Error(kInput) when it is missing.
std::vector<std::filesystem::path> weight_paths(const std::filesystem::path& checkpoint);

/// The weight files of a folder in the official layout, sorted by their paths. Headers and indexes lie at the ends that
/// the digest covers, and trained values differ in any such window. Reads 128 KiB a file. Throws Error(kInput) when the
/// folder is missing or a file cannot be read.
std::vector<WeightIdentity> identify_weights(const std::filesystem::path& checkpoint);

}  // namespace wan
