// What the leaves of a run are by their published names, and the times that follow from it: for the rules that decide
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

/// What a leaf is, whatever its task or step number.
enum class StageRole {
  kInitialization,
  kPreprocess,
  kTextEncoding,
  kVaeEncoding,
  kStepLoading,
  kStepInference,
  kVaeDecoding,
  kOutputEncoding,
  kOther,  // an external program's own stage
};

/// Role by the published name: "Step_3_Inference" is kStepInference, "T2V_Preprocess" is kPreprocess.
StageRole stage_role(const std::string& name);

/// "Initialization", "Step loading", ...: for tables that put all steps together.
std::string role_name(StageRole role);

/// Step number of "Step_12_Inference", or -1. Numbers over 99999 do not count.
int64_t step_index(std::string_view stage_name);

/// Wall times of Step_i_Inference in seconds, by step.
std::vector<double> step_seconds(std::span<const StageRecord> stages);
inline std::vector<double> step_seconds(const RunRecord& record) { return step_seconds(record.stages); }

/// From text encoding to the end of VAE decoding, the part that a warm video pays again; absent unless there are both
/// and a step.
std::optional<int64_t> warm_total_ns(const RunRecord& record);

}  // namespace wan
