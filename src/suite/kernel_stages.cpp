#include "suite/kernel_stages.h"

#include <utility>

#include "pipeline/decisions.h"

namespace wan::suite {

void KernelStages::on_span(const StageSpan& span) {
  next_.on_span(span);
  if (!span.is_leaf()) return;
  const bool of_a_step = is_step(span.stage.role);
  const int step = of_a_step ? span.stage.index : -1;
  if (of_a_step && step == step_) {
    windows_.back().interval.end_ns = span.end_ns;
    return;
  }
  step_ = step;
  windows_.push_back({of_a_step ? measure::kStepStages : stage_name(span.stage, task_), {span.begin_ns, span.end_ns}});
}

void KernelStages::on_plan(const Plan& plan) {
  task_ = decisions_of(plan).task;
  next_.on_plan(plan);
}

measure::StageWindow KernelStages::kept_window() const {
  if (windows_.empty()) return {};
  if (keep_ == KeepEvents::kAll)
    return {kAllStages, {windows_.front().interval.begin_ns, windows_.back().interval.end_ns}};
  return measure::steady_step(windows_);
}

KernelTrace KernelStages::take() {
  KernelTrace trace;
  trace.source = "cupti_activity";
  trace.reason = collector_.reason();
  measure::CollectedKernels collected = collector_.take();
  if (trace.reason.empty()) trace.reason = collector_.reason();  // fetching may have failed
  trace.lost = collected.missing.lost();
  if (keep_ != KeepEvents::kNone) events_ = measure::events_of(collected, kept_window());
  const size_t runs = collected.runs.size();
  trace.tables = measure::tabulate_kernels(std::move(collected.runs), collected.names, std::exchange(windows_, {}));
  collected.missing.outside_stages = measure::begun_outside(runs, trace.tables);
  trace.missing = measure::describe(collected.missing);
  std::erase_if(trace.tables, [](const KernelTable& table) { return table.kinds.empty(); });
  if (trace.tables.empty() && trace.reason.empty()) trace.reason = "no kernel ran in a stage";
  step_ = -1;
  return trace;
}

}  // namespace wan::suite
