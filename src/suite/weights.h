// The weights of a checkpoint as a record has them.
#pragma once

#include <filesystem>
#include <vector>

#include "results/record.h"

namespace wan::suite {

/// identify_weights (pipeline/weight_files.h), in the words of a record. Throws as that does.
std::vector<WeightsFile> weight_files(const std::filesystem::path& checkpoint);

}  // namespace wan::suite
