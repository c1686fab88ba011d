// Sums over the leaves of one run.
#include "analysis/breakdown.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"

namespace wan {

StageRole stage_role(const std::string& name) {
  if (name == "Model_Initialization") return StageRole::kInitialization;
  if (name == "T5_Encoding") return StageRole::kTextEncoding;
  if (name == "VAE_Encoding") return StageRole::kVaeEncoding;
  if (name == "VAE_Decoding") return StageRole::kVaeDecoding;
  if (name == "Output_Encoding") return StageRole::kOutputEncoding;
  if (name.ends_with("_Preprocess")) return StageRole::kPreprocess;
  if (name.starts_with("Step_") && name.ends_with("_Loading")) return StageRole::kStepLoading;
  if (name.starts_with("Step_") && name.ends_with("_Inference")) return StageRole::kStepInference;
  return StageRole::kOther;
}

std::string role_name(StageRole role) {
  switch (role) {
    case StageRole::kInitialization: return "Initialization";
    case StageRole::kPreprocess: return "Preprocess";
    case StageRole::kTextEncoding: return "Text encoding";
    case StageRole::kVaeEncoding: return "VAE encoding";
    case StageRole::kStepLoading: return "Step loading";
    case StageRole::kStepInference: return "Step inference";
    case StageRole::kVaeDecoding: return "VAE decoding";
    case StageRole::kOutputEncoding: return "Output encoding";
    case StageRole::kOther: return "Other";
  }
  return "Other";
}

double Breakdown::unattributed_share() const {
  return total_ns > 0 ? static_cast<double>(unattributed_ns) / static_cast<double>(total_ns) : 0;
}

Breakdown break_down(const RunRecord& record) {
  if (record.stages.empty()) {
    throw Error(ErrorKind::kInput, fmt::format("run {}: expected at least one stage, found none (status {})", record.id,
                                               to_string(record.status)));
  }
  Breakdown out;
  for (const StageRecord& stage : record.stages) {
    if (stage.kind != StageKind::kLeaf || stage.name == kUnattributedName) continue;
    out.leaves.push_back(&stage);
    out.leaves_ns += stage.wall_ns;
  }
  const StageRecord* total = total_stage(record);
  out.total_ns = total != nullptr ? total->wall_ns : out.leaves_ns;
  out.unattributed_ns = out.total_ns - out.leaves_ns;
  return out;
}

bool computes_on_gpu(const RunRecord& record, const StageRecord& leaf) {
  if (record.system.gpus.empty() || record.engine.device.starts_with("cpu")) return false;
  switch (stage_role(leaf.name)) {
    case StageRole::kTextEncoding: return record.workload.text_encoder_device != "cpu";
    case StageRole::kStepInference:
    case StageRole::kVaeEncoding:
    case StageRole::kVaeDecoding: return true;
    default: return false;
  }
}

Scopes scopes(const RunRecord& record) {
  const Breakdown parts = break_down(record);
  Scopes out;
  out.total_ns = parts.total_ns;
  int64_t warm = 0, steps = 0;
  bool text = false, decoded = false, stepped = false;
  for (const StageRecord* leaf : parts.leaves) {
    const StageRole role = stage_role(leaf->name);
    const bool within = role == StageRole::kTextEncoding || role == StageRole::kVaeEncoding ||
                        role == StageRole::kStepLoading || role == StageRole::kStepInference ||
                        role == StageRole::kVaeDecoding;
    if (within) warm += leaf->wall_ns;
    if (role == StageRole::kStepInference) steps += leaf->wall_ns;
    text = text || role == StageRole::kTextEncoding;
    decoded = decoded || role == StageRole::kVaeDecoding;
    stepped = stepped || role == StageRole::kStepInference;
    if (computes_on_gpu(record, *leaf)) out.gpu_part_ns += leaf->wall_ns;
  }
  if (text && decoded && stepped) out.warm_total_ns = warm;
  if (stepped) out.steps_ns = steps;
  out.host_part_ns = out.total_ns - out.gpu_part_ns;
  return out;
}

std::vector<double> step_seconds(const RunRecord& record) {
  std::vector<const StageRecord*> steps;
  for (const StageRecord& stage : record.stages) {
    if (stage.kind == StageKind::kLeaf && stage_role(stage.name) == StageRole::kStepInference) steps.push_back(&stage);
  }
  std::stable_sort(steps.begin(), steps.end(), [](const auto* a, const auto* b) { return a->index < b->index; });
  std::vector<double> out;
  for (const StageRecord* step : steps) out.push_back(static_cast<double>(step->wall_ns) * 1e-9);
  return out;
}

}  // namespace wan
