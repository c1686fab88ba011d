// The weights of a checkpoint as a record has them.
#pragma once

#include <vector>

#include "base/weight_choice.h"
#include "results/record.h"

namespace wan::suite {

/// identify_weights (pipeline/weight_files.h), in the words of a record. Throws as that does.
std::vector<WeightsFile> weight_files(const WeightChoice& choice);
/// identify_loras, likewise.
std::vector<WeightsFile> lora_files(const WeightChoice& choice);

}  // namespace wan::suite
