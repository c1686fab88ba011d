// What a run was on, by name: for people, and to tell machines apart.
#pragma once

#include <string>

#include "results/record.h"

namespace wan {

/// "NVIDIA H200"; of several "8x NVIDIA H200", so that no value of eight cards passes for one's; empty: none.
std::string gpu_text(const SystemInfo& system);

/// Of a run that nothing is known of: one that a cluster lost.
inline constexpr const char* kUnknownMachine = "unknown machine";

/// The cards, or the CPU where none computed, or kUnknownMachine.
std::string device_name(const RunRecord& record);

}  // namespace wan
