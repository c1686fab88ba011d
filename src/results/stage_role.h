// Roles of stages for people, and the times that follow from them: for the rules that decide
// when to stop and what counts as well as for reports.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "results/record.h"

namespace wan {

/// "Initialization", "Step loading", ...: for tables that put all steps together.
std::string role_name(StageRole role);

/// Wall times of Step_i_Inference in seconds, by step.
std::vector<double> step_seconds(std::span<const StageRecord> stages);
inline std::vector<double> step_seconds(const RunRecord& record) { return step_seconds(record.stages); }

/// From text encoding to the end of VAE decoding, the part that a warm video pays again; absent unless there are both
/// and a step.
std::optional<int64_t> warm_total_ns(const RunRecord& record);

}  // namespace wan
