#include "results/stage_role.h"

#include <algorithm>
#include <charconv>

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

int64_t step_index(std::string_view stage_name) {
  constexpr std::string_view kPrefix = "Step_";
  if (!stage_name.starts_with(kPrefix)) return -1;
  stage_name.remove_prefix(kPrefix.size());
  int64_t value = 0;
  const auto [end, error] = std::from_chars(stage_name.data(), stage_name.data() + stage_name.size(), value);
  const bool whole = error == std::errc() && end != stage_name.data() + stage_name.size() && *end == '_';
  return whole && value >= 0 && value <= 99999 ? value : -1;
}

std::vector<double> step_seconds(std::span<const StageRecord> stages) {
  std::vector<const StageRecord*> steps;
  for (const StageRecord& stage : stages)
    if (stage.kind == StageKind::kLeaf && stage_role(stage.name) == StageRole::kStepInference) steps.push_back(&stage);
  std::stable_sort(steps.begin(), steps.end(), [](const auto* a, const auto* b) { return a->index < b->index; });
  std::vector<double> out;
  for (const StageRecord* step : steps) out.push_back(static_cast<double>(step->wall_ns) * 1e-9);
  return out;
}

std::optional<int64_t> warm_total_ns(const RunRecord& record) {
  int64_t sum = 0;
  bool text = false, stepped = false, decoded = false;
  for (const StageRecord& stage : record.stages) {
    if (stage.kind != StageKind::kLeaf) continue;
    const StageRole role = stage_role(stage.name);
    text |= role == StageRole::kTextEncoding;
    stepped |= role == StageRole::kStepInference;
    decoded |= role == StageRole::kVaeDecoding;
    const bool within = role == StageRole::kTextEncoding || role == StageRole::kVaeEncoding ||
                        role == StageRole::kStepLoading || role == StageRole::kStepInference ||
                        role == StageRole::kVaeDecoding;
    if (within) sum += stage.wall_ns;
  }
  return text && stepped && decoded ? std::optional(sum) : std::nullopt;
}

}  // namespace wan
