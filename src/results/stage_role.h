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

/// The Step_i_Inference of each clip, clips and steps in order; one group of a video that is made in one piece. Clips
/// may differ in what a step does: only steps of one are set against each other.
std::vector<std::vector<const StageRecord*>> steps_by_clip(std::span<const StageRecord> stages);

/// Wall times in seconds.
std::vector<double> step_seconds(std::span<const StageRecord* const> steps);
/// Of all of them, clip by clip.
std::vector<double> step_seconds(std::span<const StageRecord> stages);
inline std::vector<double> step_seconds(const RunRecord& record) { return step_seconds(record.stages); }

/// From text encoding to the end of VAE decoding, the part that a warm video pays again; absent unless there are both
/// and a step.
std::optional<int64_t> warm_total_ns(const RunRecord& record);

}  // namespace wan
