#include "analysis/case_view.h"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

namespace wan {
namespace {

constexpr double kLeastPart = 0.01;  // of the total: a part that is worth a row

std::map<std::string, std::string> name_runs(const std::vector<const RunRecord*>& runs) {
  std::map<std::string, std::string> out;
  int counted = 0, warmups = 0, traced = 0, compared = 0;
  for (const RunRecord* run : runs) {
    if (run->run_case.warmup)
      out[run->id] = fmt::format("warm-up {}", ++warmups);
    else if (run->kernels)
      out[run->id] = fmt::format("traced run {}", ++traced);
    else if (run->fidelity)
      out[run->id] = fmt::format("compared run {}", ++compared);
    else
      out[run->id] = fmt::format("run {}", ++counted);
  }
  return out;
}

/// Warm-ups, traced runs and those made to be compared are made beside those that may count.
size_t runs_that_could_count(const CaseSummary& summary) {
  const auto beside = [](const Exclusion& e) { return e.run->run_case.warmup || e.run->kernels || e.run->fidelity; };
  const auto& excluded = summary.selection.excluded;
  const auto others = std::count_if(excluded.begin(), excluded.end(), beside);
  return summary.selection.used.size() + excluded.size() - static_cast<size_t>(others);
}

/// The run whose total is nearest to the median of all.
const RunRecord* typical_run(const CaseSummary& s) {
  if (s.described.empty() || !s.total_s.has()) return s.example;
  const auto off = [&](const RunRecord* run) {
    const StageRecord* total = total_stage(*run);
    return total == nullptr ? HUGE_VAL : std::abs(static_cast<double>(total->wall_ns) * 1e-9 - s.total_s.median());
  };
  return *std::min_element(s.described.begin(), s.described.end(),
                           [&](const RunRecord* a, const RunRecord* b) { return off(a) < off(b); });
}

FitState fit_of(const CaseView& view) {
  const bool out_of_memory = view.not_ok != nullptr && view.not_ok->status == RunStatus::kOutOfMemory;
  if (out_of_memory) return view.failed ? FitState::kOutOfMemory : FitState::kNotKnown;
  return view.has_result() ? FitState::kFits : FitState::kNotKnown;
}

std::vector<PartView> parts_of(const CaseSummary& s) {
  std::vector<PartView> out;
  for (const StageSummary& stage : s.stages) {
    if (stage.kind != StageKind::kHidden && stage.kind != StageKind::kComponent) continue;
    const bool matters = stage.wall_s.has() && stage.wall_s.median() >= kLeastPart * s.total_s.median();
    out.push_back({stage.id, stage.kind, stage.count, stage.wall_s, stage.moved_bytes, matters});
  }
  return out;
}

std::vector<StepsView> steps_of(const CaseSummary& s) {
  std::vector<StepsView> out;
  for (const RunRecord* run : s.described) {
    auto clips = steps_by_clip(run->stages);
    if (clips.empty()) continue;
    StepsView view{run, std::move(clips.back()), {}, {}};
    view.seconds = step_seconds(view.steps);
    view.series = analyse_steps(view.seconds, step_work(run->forwards));
    out.push_back(std::move(view));
  }
  return out;
}

}  // namespace

std::string_view to_string(FitState state) {
  switch (state) {
    case FitState::kFits: return "fits";
    case FitState::kOutOfMemory: return "out of memory";
    case FitState::kNotKnown: break;
  }
  return "not known";
}

std::optional<FailedRun> failed_run(const CaseSummary& summary) {
  const auto& excluded = summary.selection.excluded;
  if (!summary.selection.used.empty() || excluded.empty()) return std::nullopt;
  const auto found =
      std::find_if(excluded.begin(), excluded.end(), [](const Exclusion& e) { return !e.run->run_case.warmup; });
  const Exclusion& shown = found == excluded.end() ? excluded.front() : *found;
  return FailedRun{shown.run, shown.reason, shown.run->error ? &*shown.run->error : nullptr,
                   describe(summary.group, *shown.run)};
}

const StageSummary& CaseView::whole() const {
  static const StageSummary kNone;
  const StageSummary* total = numbers().stage(kTotalName);
  return total != nullptr ? *total : kNone;
}

CaseView case_view(const RunGroup& group, const std::vector<CardPeak>& peaks, const std::vector<CardPrice>& prices) {
  CaseView out;
  out.summary = summarise(group);
  out.failed = failed_run(out.summary);
  const CaseSummary& numbers = out.numbers();
  out.title = group.case_name + circumstances(numbers);
  out.on_gpu = !numbers.example->system.gpus.empty() && !numbers.example->engine.device.starts_with("cpu");
  out.counted = out.summary.selection.used.size();
  out.runs = runs_that_could_count(out.summary);
  out.run_names = name_runs(group.runs);
  out.run_names.merge(name_runs(group.judged));
  const auto not_ok = std::find_if(group.runs.begin(), group.runs.end(),
                                   [](const RunRecord* run) { return run->status != RunStatus::kOk; });
  if (not_ok != group.runs.end()) out.not_ok = *not_ok;
  out.typical = typical_run(numbers);
  out.fit = fit_of(out);
  out.peak = find_peak(peaks, group.device);
  out.price = find_price(prices, group.device);
  out.buyer = buyer_numbers(numbers, out.price);
  const auto longest = std::max_element(out.buyer.parts.begin(), out.buyer.parts.end(),
                                        [](const TimePart& a, const TimePart& b) { return a.seconds < b.seconds; });
  if (longest != out.buyer.parts.end()) out.largest_part = *longest;
  if (out.has_result()) out.bottlenecks = find_bottlenecks(numbers, out.peak);
  out.roof = roofline(numbers, out.peak);
  out.memory = memory_waterfall(*out.typical);
  out.parts = parts_of(numbers);
  out.steps = steps_of(numbers);
  out.traced = traced_run(numbers);
  out.fidelity = fidelity_of(group);
  out.refuted = refuted_class(group);
  return out;
}

}  // namespace wan
