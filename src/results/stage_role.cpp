#include "results/stage_role.h"

#include <algorithm>
#include <map>

#include "base/stage.h"

namespace wan {

std::string role_name(StageRole role) {
  switch (role) {
    case StageRole::kInitialization: return "Initialization";
    case StageRole::kPreprocess: return "Preprocess";
    case StageRole::kTextEncoding: return "Text encoding";
    case StageRole::kAudioEncoding: return "Audio encoding";
    case StageRole::kImageEncoding: return "Image encoding";
    case StageRole::kFaceEncoding: return "Face encoding";
    case StageRole::kVaeEncoding: return "VAE encoding";
    case StageRole::kStepLoading: return "Step loading";
    case StageRole::kStepInference: return "Step inference";
    case StageRole::kVaeDecoding: return "VAE decoding";
    case StageRole::kOutputEncoding: return "Output encoding";
    case StageRole::kOther: return "Other";
  }
  return "Other";
}

std::vector<std::vector<const StageRecord*>> steps_by_clip(std::span<const StageRecord> stages) {
  std::map<int, std::vector<const StageRecord*>> clips;
  for (const StageRecord& stage : stages)
    if (stage.kind == StageKind::kLeaf && stage.role == StageRole::kStepInference)
      clips[stage_from_name(stage.name).clip].push_back(&stage);
  std::vector<std::vector<const StageRecord*>> out;
  for (auto& [clip, steps] : clips) {
    std::stable_sort(steps.begin(), steps.end(), [](const auto* a, const auto* b) { return a->index < b->index; });
    out.push_back(std::move(steps));
  }
  return out;
}

std::vector<double> step_seconds(std::span<const StageRecord* const> steps) {
  std::vector<double> out;
  for (const StageRecord* step : steps) out.push_back(static_cast<double>(step->wall_ns) * 1e-9);
  return out;
}

std::vector<double> step_seconds(std::span<const StageRecord> stages) {
  std::vector<double> out;
  for (const auto& clip : steps_by_clip(stages))
    for (const double seconds : step_seconds(clip)) out.push_back(seconds);
  return out;
}

std::optional<int64_t> warm_total_ns(const RunRecord& record) {
  int64_t sum = 0;
  bool text = false, stepped = false, decoded = false;
  for (const StageRecord& stage : record.stages) {
    if (stage.kind != StageKind::kLeaf) continue;
    const StageRole role = stage.role;
    text |= role == StageRole::kTextEncoding;
    stepped |= role == StageRole::kStepInference;
    decoded |= role == StageRole::kVaeDecoding;
    const bool within = role == StageRole::kTextEncoding || role == StageRole::kAudioEncoding ||
                        role == StageRole::kImageEncoding || role == StageRole::kFaceEncoding ||
                        role == StageRole::kVaeEncoding || role == StageRole::kStepLoading ||
                        role == StageRole::kStepInference || role == StageRole::kVaeDecoding;
    if (within) sum += stage.wall_ns;
  }
  return text && stepped && decoded ? std::optional(sum) : std::nullopt;
}

}  // namespace wan
