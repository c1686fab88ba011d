#include "analysis/kernels.h"

#include <algorithm>

namespace wan {
namespace {

double seconds_of(int64_t ns) { return static_cast<double>(ns) * 1e-9; }

double share_of(int64_t part_ns, int64_t whole_ns) {
  return whole_ns > 0 ? static_cast<double>(part_ns) / static_cast<double>(whole_ns) : 0;
}

KernelShare share_of(const KernelSum& sum, const std::string& kind, int64_t wall_ns) {
  KernelShare out{sum.name, kind, sum.count, seconds_of(sum.total_ns), share_of(sum.total_ns, wall_ns), 0};
  if (sum.count > 0) out.mean_us = static_cast<double>(sum.total_ns) * 1e-3 / static_cast<double>(sum.count);
  return out;
}

KernelView view_of(const KernelTable& table) {
  KernelView out;
  out.stages = table.stages == "Step_*" ? kAllSteps : table.stages;
  out.stage_count = table.stage_count;
  out.seconds = seconds_of(table.wall_ns);
  for (const KernelKindSum& sum : table.kinds)
    out.kinds.push_back({kind_name(sum.kind), sum.count, seconds_of(sum.exposed_ns),
                         share_of(sum.exposed_ns, table.wall_ns), seconds_of(sum.total_ns)});
  std::stable_sort(out.kinds.begin(), out.kinds.end(),
                   [](const KindShare& a, const KindShare& b) { return a.seconds > b.seconds; });
  out.kinds.push_back(
      {"gaps", 0, seconds_of(table.gap_ns), share_of(table.gap_ns, table.wall_ns), seconds_of(table.gap_ns)});
  for (const KernelSum& sum : table.kernels) out.kernels.push_back(share_of(sum, kind_name(sum.kind), table.wall_ns));
  if (table.unlisted_count > 0)
    out.unlisted =
        share_of({"all others", KernelKind::kOther, table.unlisted_count, table.unlisted_ns}, "", table.wall_ns);
  return out;
}

std::optional<double> slowdown_of(const RunRecord& run, const CaseSummary& summary) {
  const std::optional<StepSeries> steps = step_series(run);
  if (!steps || !summary.steady_step_s.has() || summary.steady_step_s.median() <= 0) return std::nullopt;
  if (std::find(summary.described.begin(), summary.described.end(), &run) != summary.described.end())
    return std::nullopt;  // the numbers are its own
  return steps->steady_median_s / summary.steady_step_s.median();
}

}  // namespace

std::string kind_name(KernelKind kind) {
  return kind == KernelKind::kGemm ? "GEMM" : kind == KernelKind::kCopy ? "copies" : std::string(to_string(kind));
}

std::vector<KernelView> kernel_views(const KernelTrace& trace) {
  std::vector<KernelView> views;
  for (const KernelTable& table : trace.tables) views.push_back(view_of(table));
  return views;
}

std::optional<TracedRun> traced_run(const CaseSummary& summary) {
  const RunRecord* found = nullptr;
  for (const RunRecord* run : summary.group.runs)
    if (run->kernels && (found == nullptr || !run->kernels->tables.empty() || found->kernels->tables.empty()))
      found = run;
  if (found == nullptr) return std::nullopt;
  return TracedRun{found, found->kernels->reason, found->kernels->lost, kernel_views(*found->kernels),
                   slowdown_of(*found, summary)};
}

}  // namespace wan
