#include "suite/weights.h"

#include "pipeline/weight_files.h"

namespace wan::suite {

namespace {

std::vector<WeightsFile> files_of(std::vector<WeightIdentity> identities) {
  std::vector<WeightsFile> weights;
  for (WeightIdentity& file : identities)
    weights.push_back({std::move(file.component), std::move(file.file), file.size_bytes, std::move(file.digest),
                       kEdgeDigest, file.strength});
  return weights;
}

}  // namespace

std::vector<WeightsFile> weight_files(const WeightChoice& choice) { return files_of(identify_weights(choice)); }

std::vector<WeightsFile> lora_files(const WeightChoice& choice) { return files_of(identify_loras(choice.loras)); }

}  // namespace wan::suite
