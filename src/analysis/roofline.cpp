// Points by role, medians weighted by time.
#include "analysis/roofline.h"

#include <algorithm>

#include "analysis/breakdown.h"

namespace wan {
namespace {

/// Mean of a column over leaves, weighted by their time; nothing when no leaf has it.
std::optional<double> weighted(const std::vector<const StageSummary*>& leaves, Quantity StageSummary::*column) {
  double sum = 0, weight = 0;
  for (const StageSummary* leaf : leaves) {
    if (!(leaf->*column).has()) continue;
    sum += (leaf->*column).median() * leaf->wall_s.median();
    weight += leaf->wall_s.median();
  }
  return weight > 0 ? std::optional<double>(sum / weight) : std::nullopt;
}

double device_seconds(const StageSummary& leaf) {
  return leaf.gpu_s.has() && leaf.gpu_s.median() > 0 ? leaf.gpu_s.median() : leaf.wall_s.median();
}

std::string no_intensity(const std::vector<const StageSummary*>& leaves, const CardPeak* peak) {
  if (peak == nullptr || !peak->memory_bandwidth_gb_per_s) return "the card's bandwidth is not in the table of peaks";
  return leaves.front()->dram_active_percent.reason;
}

RooflinePoint point(const std::string& name, const std::vector<const StageSummary*>& leaves, const CardPeak* peak,
                    const Workload& workload) {
  RooflinePoint out;
  out.name = name;
  double flops = 0;
  for (const StageSummary* leaf : leaves) {
    out.seconds += device_seconds(*leaf);
    flops += leaf->flops.median();
  }
  out.tflops = flops / out.seconds * 1e-12;
  out.sm_clock_mhz = weighted(leaves, &StageSummary::sm_clock_mhz);
  out.sm_percent = weighted(leaves, &StageSummary::sm_active_percent);
  out.tensor_percent = weighted(leaves, &StageSummary::tensor_active_percent);
  out.dram_percent = weighted(leaves, &StageSummary::dram_active_percent);
  out.occupancy_percent = weighted(leaves, &StageSummary::sm_occupancy_percent);
  if (peak != nullptr) out.mfu = flop_utilisation(out.tflops, *peak, workload, out.sm_clock_mhz);
  if (peak != nullptr && peak->memory_bandwidth_gb_per_s && out.dram_percent && *out.dram_percent > 0)
    out.flops_per_byte = flops / (*out.dram_percent * 0.01 * *peak->memory_bandwidth_gb_per_s * 1e9 * out.seconds);
  else
    out.no_intensity_reason = no_intensity(leaves, peak);
  return out;
}

void add_limits(Roofline& out, const CardPeak& peak, const Workload& workload) {
  out.peak_tflops = dense_peak_tflops(peak, workload);
  if (peak.memory_bandwidth_gb_per_s) out.bandwidth_tb_per_s = *peak.memory_bandwidth_gb_per_s * 1e-3;
  if (!out.peak_tflops) return;
  if (out.bandwidth_tb_per_s) out.ridge_flops_per_byte = *out.peak_tflops / *out.bandwidth_tb_per_s;
  const auto clock = out.points.front().sm_clock_mhz;
  if (clock && peak.peak_clock_mhz > 0) out.peak_tflops_at_clock = *out.peak_tflops * *clock / peak.peak_clock_mhz;
}

}  // namespace

Roofline roofline(const CaseSummary& summary, const CardPeak* peak) {
  struct Group {
    std::string name;
    std::vector<const StageSummary*> leaves;
  };
  std::vector<Group> groups;
  for (const StageSummary& leaf : summary.stages) {
    if (leaf.kind != StageKind::kLeaf || !leaf.flops.has() || !leaf.wall_s.has() || leaf.flops.median() <= 0) continue;
    if (device_seconds(leaf) <= 0) continue;
    const RunRecord& run = *summary.example;
    if (!run.engine.device.starts_with("cpu") && !computes_on_gpu(run, leaf.role))
      continue;  // the host's, not the card's
    const bool step = leaf.role == StageRole::kStepInference;
    const std::string name = step ? (leaf.index == 0 ? "First step" : "Steady steps") : role_name(leaf.role);
    auto group = std::find_if(groups.begin(), groups.end(), [&](const Group& g) { return g.name == name; });
    if (group == groups.end()) group = groups.insert(groups.end(), {name, {}});
    group->leaves.push_back(&leaf);
  }
  // Steady steps first: the limits are drawn at their clock.
  std::stable_partition(groups.begin(), groups.end(), [](const Group& g) { return g.name == "Steady steps"; });
  Roofline out;
  for (const Group& group : groups)
    out.points.push_back(point(group.name, group.leaves, peak, summary.example->workload));
  if (out.points.empty()) {
    out.reason = "no stage has its floating-point operations recorded";
  } else if (peak == nullptr) {
    out.reason = "the device is not in the table of peaks";
  } else {
    add_limits(out, *peak, summary.example->workload);
    if (!out.peak_tflops) out.reason = "the table has no peak for the arithmetic of this run";
  }
  return out;
}

}  // namespace wan
