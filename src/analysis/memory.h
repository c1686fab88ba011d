// What the card's memory held at the fullest stage of a run, by component.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "results/record.h"

namespace wan {

struct MemoryPart {
  std::string name;        // weights.dit.bf16, activations, ..., "outside the engine's pool"
  double begin_bytes = 0;  // where the part starts when all are stacked, largest first
  double bytes = 0;
};

/// Each component is at its own highest within the stage, so their sum may exceed the peak a little.
struct MemoryWaterfall {
  std::string stage;  // the one with the highest peak
  std::vector<MemoryPart> parts;
  std::optional<double> peak_bytes;      // process footprint, else the engine's pool
  std::optional<double> capacity_bytes;  // of the card
  std::string reason;                    // why there are no parts
};

MemoryWaterfall memory_waterfall(const RunRecord& record);

}  // namespace wan
