#include "suite/weights.h"

#include "pipeline/weight_files.h"

namespace wan::suite {

std::vector<WeightsFile> weight_files(const WeightChoice& choice) {
  std::vector<WeightsFile> weights;
  for (WeightIdentity& file : identify_weights(choice))
    weights.push_back(
        {std::move(file.component), std::move(file.file), file.size_bytes, std::move(file.digest), kEdgeDigest});
  return weights;
}

}  // namespace wan::suite
