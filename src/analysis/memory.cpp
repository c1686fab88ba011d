// The fullest stage, its components stacked, and what the process holds beside them.
#include "analysis/memory.h"

#include <algorithm>

#include "base/flags.h"

namespace wan {
namespace {

std::optional<double> peak_of(const StageRecord& stage) {
  const DeviceMemory& memory = stage.device_memory;
  if (memory.process_peak_bytes.has()) return static_cast<double>(*memory.process_peak_bytes.value);
  if (memory.pool_peak_bytes.has()) return static_cast<double>(*memory.pool_peak_bytes.value);
  return std::nullopt;
}

double components_of(const StageRecord& stage) {
  double sum = 0;
  for (const auto& [name, bytes] : stage.device_memory.component_bytes) sum += static_cast<double>(bytes);
  return sum;
}

/// The leaf with the highest peak; without peaks, with the most in components.
const StageRecord* fullest_stage(const RunRecord& record) {
  const StageRecord* best = nullptr;
  double most = 0;
  for (const StageRecord& stage : record.stages) {
    if (stage.kind != StageKind::kLeaf || stage.device_memory.component_bytes.empty()) continue;
    const double bytes = peak_of(stage).value_or(components_of(stage));
    if (best == nullptr || bytes > most) {
      best = &stage;
      most = bytes;
    }
  }
  return best;
}

}  // namespace

MemoryWaterfall memory_waterfall(const RunRecord& record) {
  MemoryWaterfall out;
  if (!record.system.gpus.empty() && record.system.gpus[0].memory_bytes.has())
    out.capacity_bytes = static_cast<double>(*record.system.gpus[0].memory_bytes.value);
  const StageRecord* stage = fullest_stage(record);
  if (stage == nullptr) {
    out.reason = "the engine did not report its memory by component";
    return out;
  }
  out.stage = stage->name;
  out.peak_bytes = peak_of(*stage);
  for (const auto& [name, bytes] : stage->device_memory.component_bytes)
    if (bytes > 0) out.parts.push_back({name, 0, static_cast<double>(bytes)});
  std::stable_sort(out.parts.begin(), out.parts.end(), [](auto& a, auto& b) { return a.bytes > b.bytes; });
  const auto& process = stage->device_memory.process_peak_bytes;
  const auto& pool = stage->device_memory.pool_peak_bytes;
  double inside = components_of(*stage);
  const auto add_up_to = [&](const char* name, const Measured<uint64_t>& whole) {
    if (!whole.has() || static_cast<double>(*whole.value) <= inside) return;
    out.parts.push_back({name, 0, static_cast<double>(*whole.value) - inside});
    inside = static_cast<double>(*whole.value);
  };
  add_up_to("other allocations and slack", pool);
  add_up_to("context and libraries", process);
  double at = 0;
  for (MemoryPart& part : out.parts) {
    part.begin_bytes = at;
    at += part.bytes;
  }
  return out;
}

std::optional<MemorySize> gpu_memory_limit(const RunRecord& record) {
  if (record.execution.has()) {
    const std::optional<uint64_t>& bytes = record.execution.value->gpu_memory_limit_bytes;
    return bytes ? std::optional(MemorySize{*bytes}) : std::nullopt;
  }
  const auto fact = record.engine.facts.find(flags::kGpuMemoryLimitFact);
  return fact == record.engine.facts.end() ? std::nullopt : memory_size(fact->second);
}

}  // namespace wan
