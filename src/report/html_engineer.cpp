// Stages, timeline, steps, roofline, memory and findings as the page reads them.
#include "report/html_engineer.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <map>
#include <string>

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "analysis/breakdown.h"
#include "analysis/series.h"
#include "analysis/stage_columns.h"
#include "analysis/timeline.h"
#include "report/format.h"

namespace wan::report {
namespace {

using Json = nlohmann::json;

/// More digits than anybody reads, and fewer than a double has, which would be most of the page.
/// Not by std::stod, which throws for numbers below 2^-1022.
double rounded(double value) { return std::strtod(fmt::format("{:.9g}", value).c_str(), nullptr); }
int64_t microseconds(int64_t ns) { return static_cast<int64_t>(std::llround(static_cast<double>(ns) * 1e-3)); }

Json or_null(const std::optional<double>& value) { return value ? Json(*value) : Json(nullptr); }

Json spread_data(const Measured<Spread>& value) { return value.has() ? Json(value.value->median) : Json(nullptr); }

/// From and how long in microseconds, and the value.
Json point_data(int64_t begin_ns, int64_t end_ns, const std::optional<double>& value) {
  return {microseconds(begin_ns), microseconds(end_ns - begin_ns), value ? Json(rounded(*value)) : Json(nullptr)};
}

/// A column's curve; `format` is how the page writes its values (format.js).
Json curve_data(const StageColumn& column, Json points) {
  return {{"name", column.title},
          {"format", unit_name(column.unit)},
          {"symbol", unit_symbol(column.unit)},
          {"points", std::move(points)}};
}

/// One value a stage under the timeline, for columns that have any.
Json series_data(const RunRecord& run, const Timeline& timeline) {
  Json out = Json::array();
  for (const StageColumn& column : stage_columns()) {
    if (!column.is_in(kPageCurve)) continue;
    Json points = Json::array();
    bool any = false;
    for (const TimelineSpan& span : timeline.spans) {
      if (span.row != 0 || span.stage->kind != StageKind::kLeaf || span.end_ns == span.begin_ns) continue;
      const Measured<double> value = column.value(run, *span.stage);
      any = any || value.has();
      points.push_back(point_data(span.begin_ns, span.end_ns, value.value));
    }
    if (any) out.push_back(curve_data(column, std::move(points)));
  }
  return out;
}

Json sampled_data(const SampleSet& samples) {
  constexpr size_t kMostPoints = 500;
  Json out = Json::array();
  for (const StageColumn& column : stage_columns()) {
    if (!column.is_in(kPageCurve) || column.series == nullptr) continue;
    for (const SampleSeries& all : samples.series) {
      if (all.name != column.series) continue;
      const SampleSeries series = thinned(all, kMostPoints);
      Json points = Json::array();
      for (size_t i = 0; i < series.values.size(); ++i)
        points.push_back(point_data(series.begin_ns[i], series.end_ns[i], series.values[i]));
      out.push_back(curve_data(column, std::move(points)));
    }
  }
  return out;
}

/// A leaf's own role, and that of its stage for parts and hidden work.
StageRole role_of(const StageRecord& stage) { return stage.role; }

bool is_own_row(const StageSummary& stage) {
  return stage.kind == StageKind::kLeaf || stage.kind == StageKind::kParent;
}

/// Quantities of one table, packed: [median, runs], [median, runs, low, high] or [median, runs, low, high, coverage of
/// the extremes], and a number for one without a value: which of the reasons. Sources are told once, by the certainty
/// of the case. Unpacked in dom.js.
class Cells {
 public:
  Json of(const Quantity& quantity) {
    if (!quantity.has()) return reason(explain(quantity.reason));
    const Estimate& e = *quantity.estimate;
    Json out = {rounded(e.median), e.runs};
    if (!e.interval) return out;
    out.push_back(rounded(e.interval->low));
    out.push_back(rounded(e.interval->high));
    if (is_of_extremes(e)) out.push_back(e.extremes->coverage);
    return out;
  }
  Json reasons() const { return reasons_; }

 private:
  size_t reason(const std::string& words) {
    const auto found = std::find(reasons_.begin(), reasons_.end(), words);
    if (found != reasons_.end()) return static_cast<size_t>(found - reasons_.begin());
    reasons_.push_back(words);
    return reasons_.size() - 1;
  }
  std::vector<std::string> reasons_;
};

Json parts_data(const std::vector<PartView>& parts, Cells& packed) {
  Json out = Json::array();
  for (const PartView& part : parts)
    out.push_back(
        {{"id", part.id}, {"count", part.count}, {"kind", to_string(part.kind)}, {"seconds", packed.of(part.seconds)}});
  return out;
}

/// [row, stage, number among the stage's spans, begin, length, bytes]: the stage as a place in the list of stages,
/// times in microseconds, the last left out where nothing moved. Unpacked in dom.js.
Json span_data(const TimelineSpan& span, size_t stage) {
  Json out = {span.row, stage, span.number, microseconds(span.begin_ns), microseconds(span.end_ns - span.begin_ns)};
  if (span.moved_bytes) out.push_back(*span.moved_bytes);
  return out;
}

}  // namespace

Json stage_table_data(const CaseView& shown_case) {
  const CaseSummary& summary = shown_case.numbers();
  Json columns = Json::array(), rows = Json::array();
  Cells packed;
  std::vector<const StageColumn*> shown;
  for (const StageColumn& column : stage_columns()) {
    const bool any = column.is_in(kPageTable) &&
                     std::any_of(summary.stages.begin(), summary.stages.end(), [&](const StageSummary& stage) {
                       return is_own_row(stage) && (stage.*column.over_runs).has();
                     });
    if (!any) continue;
    shown.push_back(&column);
    columns.push_back({{"title", column.title}, {"format", unit_name(column.unit)}, {"hint", column.hint}});
  }
  for (const StageSummary& stage : summary.stages) {
    if (!is_own_row(stage)) continue;
    Json cells = Json::array();
    for (const StageColumn* column : shown) cells.push_back(packed.of(stage.*column->over_runs));
    rows.push_back({{"name", stage.name}, {"share", or_null(stage.share)}, {"cells", std::move(cells)}});
  }
  Json parts = parts_data(shown_case.parts, packed);
  return {{"columns", std::move(columns)},
          {"rows", std::move(rows)},
          {"parts", std::move(parts)},
          {"reasons", packed.reasons()}};
}

Json timeline_data(const RunRecord& run, const SampleSet* samples, const SpanSet* spans_beside) {
  const Timeline timeline = timeline_of(run, spans_beside);
  Json rows = Json::array(), stages = Json::array(), spans = Json::array();
  std::map<const StageRecord*, size_t> places;
  for (const TimelineRow& row : timeline.rows) rows.push_back({{"name", row.name}, {"hidden", row.hidden}});
  for (const TimelineSpan& span : timeline.spans) {
    const StageRecord& stage = *span.stage;
    const auto [place, is_new] = places.emplace(&stage, places.size());
    if (is_new)
      stages.push_back({{"id", stage.id}, {"kind", to_string(stage.kind)}, {"role", role_name(role_of(stage))}});
    spans.push_back(span_data(span, place->second));
  }
  return {{"run_id", run.id},
          {"rows", std::move(rows)},
          {"stages", std::move(stages)},
          {"spans", std::move(spans)},
          {"reconstructed", timeline.reconstructed},
          {"series", samples != nullptr ? sampled_data(*samples) : series_data(run, timeline)},
          {"period_ms", samples != nullptr ? Json(samples->period_ms) : Json(nullptr)}};
}

Json steps_data(const CaseView& shown) {
  Json out = Json::array();
  for (const StepsView& run : shown.steps) {
    const StepSeries& series = run.series;
    Json clocks = Json::array(), temperatures = Json::array(), experts = Json::array();
    for (const StageRecord* step : run.steps) {
      clocks.push_back(spread_data(step->sm_clock_mhz));
      temperatures.push_back(spread_data(step->gpu_temperature_c));
      experts.push_back(step->expert);
    }
    out.push_back({{"run_id", run.run->id},
                   {"run", shown.run_names.at(run.run->id)},
                   {"seconds", run.seconds},
                   {"sm_clock_mhz", std::move(clocks)},
                   {"temperature_c", std::move(temperatures)},
                   {"expert", std::move(experts)},
                   {"first_s", series.first_s},
                   {"steady_median_s", series.steady_median_s},
                   {"first_over_steady", series.first_over_steady},
                   {"drift", series.drift},
                   {"drifts", series.drifts},
                   {"bimodal", series.bimodal},
                   {"p90_over_p10", series.p90_over_p10},
                   {"change_at", series.change ? Json(series.change->index) : Json(nullptr)},
                   {"change_step", series.change ? Json(series.change->relative_step) : Json(nullptr)},
                   {"outliers", series.outliers}});
  }
  return out;
}

Json roofline_data(const Roofline& roof, const CardPeak* peak) {
  Json points = Json::array();
  for (const RooflinePoint& point : roof.points) {
    points.push_back({{"name", point.name},
                      {"seconds", point.seconds},
                      {"tflops", point.tflops},
                      {"flops_per_byte", or_null(point.flops_per_byte)},
                      {"no_intensity_reason", explain(point.no_intensity_reason)},
                      {"sm_clock_mhz", or_null(point.sm_clock_mhz)},
                      {"mfu_percent", point.mfu ? Json(point.mfu->at_peak_percent) : Json(nullptr)},
                      {"mfu_at_clock_percent", point.mfu ? or_null(point.mfu->at_clock_percent) : Json(nullptr)},
                      {"sm_percent", or_null(point.sm_percent)},
                      {"tensor_percent", or_null(point.tensor_percent)},
                      {"dram_percent", or_null(point.dram_percent)},
                      {"occupancy_percent", or_null(point.occupancy_percent)}});
  }
  return {{"points", std::move(points)},
          {"peak_tflops", or_null(roof.peak_tflops)},
          {"peak_tflops_at_clock", or_null(roof.peak_tflops_at_clock)},
          {"bandwidth_tb_per_s", or_null(roof.bandwidth_tb_per_s)},
          {"ridge_flops_per_byte", or_null(roof.ridge_flops_per_byte)},
          {"reason", roof.reason},
          {"source", peak == nullptr ? "" : peak->source}};
}

Json memory_data(const MemoryWaterfall& memory) {
  Json parts = Json::array();
  for (const MemoryPart& part : memory.parts)
    parts.push_back({{"name", part.name}, {"begin_bytes", part.begin_bytes}, {"bytes", part.bytes}});
  return {{"stage", memory.stage},
          {"parts", std::move(parts)},
          {"peak_bytes", or_null(memory.peak_bytes)},
          {"capacity_bytes", or_null(memory.capacity_bytes)},
          {"reason", memory.reason}};
}

Json analysis_data(const BottleneckReport& report) {
  static constexpr const char* kSeverities[] = {"note", "warning", "error"};
  Json classes = Json::array(), findings = Json::array(), what_ifs = Json::array();
  for (const ClassShare& part : report.classes)
    classes.push_back({{"name", class_name(part.what)},
                       {"seconds", part.seconds},
                       {"share", part.share},
                       {"speedup_bound", part.speedup_bound}});
  for (const BottleneckFinding& finding : report.findings)
    findings.push_back({{"rule", finding.rule},
                        {"severity", kSeverities[static_cast<int>(finding.severity)]},
                        {"where", finding.where},
                        {"value", finding.value},
                        {"limit", finding.limit},
                        {"unit", finding.unit},
                        {"message", finding.message},
                        {"saving_s", or_null(finding.saving_s)}});
  for (const WhatIf& what : report.what_ifs)
    what_ifs.push_back({{"change", what.change},
                        {"saved_s", what.saved_s},
                        {"new_total_s", what.new_total_s},
                        {"speedup", what.speedup},
                        {"saved_bytes", what.saved_bytes}});
  return {{"classes", std::move(classes)}, {"findings", std::move(findings)}, {"what_ifs", std::move(what_ifs)}};
}

}  // namespace wan::report
