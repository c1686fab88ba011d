#include "results/convergence.h"

#include <utility>

#include "base/median_bootstrap.h"
#include "results/stage_names.h"
#include "results/stage_role.h"
#include "results/steps.h"

namespace wan {
namespace {

void add_step(SettlingSeries& into, const RunRecord& run) {
  if (const auto series = step_series(run)) into.values.push_back(series->steady_median_s);
}

void add_stage(SettlingSeries& into, const RunRecord& run, std::string_view id) {
  if (const StageRecord* stage = find_stage(run, id)) into.values.push_back(double(stage->wall_ns) * 1e-9);
}

void add_warm_total(SettlingSeries& into, const RunRecord& run) {
  if (const auto ns = warm_total_ns(run)) into.values.push_back(double(*ns) * 1e-9);
}

}  // namespace

double SettlingSeries::half_width() const { return relative_half_width(values); }

std::vector<SettlingSeries> settling_series(std::span<const RunRecord* const> runs) {
  SettlingSeries step{"steady step", kSteadyStepTarget, {}}, warm{"warm total", kWarmTotalTarget, {}},
      total{"total", kWarmTotalTarget, {}}, start{"initialization", kHostStageTarget, {}},
      text{"text encoding on the CPU", kHostStageTarget, {}};
  for (const RunRecord* run : runs) {
    if (!reason_not_counted(*run).empty()) continue;
    add_step(step, *run);
    add_warm_total(warm, *run);
    add_stage(total, *run, kTotalName);
    if (run->workload.scope != RunScope::kCold) continue;
    add_stage(start, *run, "Model_Initialization");
    if (run->workload.text_encoder_device == "cpu") add_stage(text, *run, "T5_Encoding");
  }
  std::vector<SettlingSeries> series;
  for (SettlingSeries* one : {&step, &warm, &start, &text})
    if (!one->values.empty()) series.push_back(std::move(*one));
  if (series.empty() && !total.values.empty()) series.push_back(std::move(total));
  return series;
}

bool converged(const SettlingSeries& series, int64_t min_runs) {
  return static_cast<int64_t>(series.values.size()) >= min_runs && series.half_width() <= series.target;
}

}  // namespace wan
