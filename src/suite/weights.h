// Which weights a checkpoint holds, for the record and for telling two checkpoints apart without reading all of them.
#pragma once

#include <filesystem>
#include <vector>

#include "results/record.h"

namespace wan::suite {

/// Where the weight files of a folder in the official layout lie, sorted. Throws Error(kInput) when it is missing.
std::vector<std::filesystem::path> weight_paths(const std::filesystem::path& checkpoint);

/// The weight files of a folder in the official layout, sorted, each with its size and a digest of its size, its first
/// and its last 64 KiB. Headers and indexes lie there, and trained values differ in any such window. Throws
/// Error(kInput) when the folder is missing or a file cannot be read.
std::vector<WeightsFile> weight_files(const std::filesystem::path& checkpoint);

}  // namespace wan::suite
