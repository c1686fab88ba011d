// Sums over the leaves of one run.
#include "analysis/breakdown.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"

namespace wan {

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

bool computes_on_gpu(const RunRecord& record, const StageRecord& leaf) { return computes_on_gpu(record, leaf.role); }

bool computes_on_gpu(const RunRecord& record, StageRole role) {
  if (record.system.gpus.empty() || record.engine.device.starts_with("cpu")) return false;
  switch (role) {
    case StageRole::kTextEncoding: return record.workload.text_encoder_device != "cpu";
    case StageRole::kStepInference:
    case StageRole::kAudioEncoding:
    case StageRole::kImageEncoding:
    case StageRole::kFaceEncoding:
    case StageRole::kVaeEncoding:
    case StageRole::kVaeDecoding: return true;
    default: return false;
  }
}

Scopes scopes(const RunRecord& record) {
  const Breakdown parts = break_down(record);
  Scopes out;
  out.total_ns = parts.total_ns;
  out.warm_total_ns = warm_total_ns(record);
  if (parts.leaves.empty()) return out;
  int64_t gpu_ns = 0;
  bool is_told = record.system.gpus.empty() || record.engine.device.starts_with("cpu");
  for (const StageRecord* leaf : parts.leaves) {
    if (leaf->role == StageRole::kStepInference) out.steps_ns = out.steps_ns.value_or(0) + leaf->wall_ns;
    is_told = is_told || computes_on_gpu(record, *leaf);
    if (computes_on_gpu(record, *leaf))
      gpu_ns += leaf->wall_ns -
                std::clamp<int64_t>(leaf->exposed_copy_ns.value.value_or(0), 0, std::max<int64_t>(0, leaf->wall_ns));
  }
  if (!is_told) return out;  // stages whose parts in the work nobody knows
  out.gpu_part_ns = gpu_ns;
  out.host_part_ns = out.total_ns - gpu_ns;
  return out;
}

}  // namespace wan
