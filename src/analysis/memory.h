// What the card's memory held at the fullest stage of a run, by component, and the room it left.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/memory_size.h"
#include "results/record.h"

namespace wan {

struct MemoryPart {
  std::string name;        // weights.dit.bf16, activations, ..., "other allocations and slack", "context and libraries"
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

/// --gpu-memory-limit of the run, also where it ended before its execution was decided.
std::optional<MemorySize> gpu_memory_limit(const RunRecord& record);

/// Room left on the card, from the card itself; less than none where a peak of another card is set against it.
struct Headroom {
  double capacity_bytes = 0, peak_bytes = 0, free_bytes = 0, free_percent = 0;
};
inline Headroom headroom(double capacity_bytes, double peak_bytes) {
  const double free_bytes = capacity_bytes - peak_bytes;
  return {capacity_bytes, peak_bytes, free_bytes, 100 * free_bytes / capacity_bytes};
}

}  // namespace wan
