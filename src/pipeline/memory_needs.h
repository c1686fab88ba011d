// The video that a model makes when nothing but its prompt is said, and the memory that takes with its weights in each
// place. Computed on no device, from headers.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "pipeline/plan.h"

namespace wan {

/// The plan of that video: size, frames and sampling are those of the checkpoint's own file where it has one
/// (checkpoint_defaults.h), else the model's. In BF16 on a card ("cuda:0"), in F32 on the "cpu". A model that needs an
/// image has none here: an image changes the proportions and keeps the area. Throws Error(kInput, kUsage) for a size or
/// for sampling, of the checkpoint's file, that the model does not have.
Plan default_plan(const ModelSet& models, const std::string& device);

/// What one place for the weights takes, in bytes.
struct MemoryNeed {
  Residency residency = Residency::kResident;
  std::optional<uint64_t> device;  // of a card's memory at most, the driver's part included; nothing on a CPU
  /// Beside a card: page-locked, of streamed weights and of all others' way to the card. On a CPU: all there is.
  uint64_t host = 0;
};

/// Host memory that `memory` keeps page-locked beside a card: streamed weights, or the buffers through which all others
/// go to it.
uint64_t page_locked_bytes(const ModelSet& models, const Plan& plan, const MemoryPlan& memory);

/// The plans of every place for the weights, in the order in which one is chosen: on a card resident, packed where
/// files store them small, streamed, mapped; on a CPU the only one there is. `history` as in plan_memory.
std::vector<MemoryPlan> memory_plans(const ModelSet& models, const Plan& plan, HistoryMemory history);

/// The same in short.
std::vector<MemoryNeed> memory_needs(const ModelSet& models, const Plan& plan, HistoryMemory history);

/// Why `need` is more than is free now; empty where it fits. By the rules of plan_memory: beside streamed weights
/// kHostReserveBytes of the host stay free.
std::string what_is_short(const MemoryNeed& need, const MemoryLimits& limits);

}  // namespace wan
