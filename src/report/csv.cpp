// CSV: the columns of the run here, those of the stage from the one list.
#include "report/csv.h"

#include <fmt/format.h>

#include <algorithm>
#include <climits>
#include <functional>
#include <optional>

#include "analysis/case_fidelity.h"
#include "analysis/stage_columns.h"
#include "report/escape.h"
#include "results/device_name.h"

namespace wan::report {
namespace {

using LeftOut = std::map<std::string, std::string>;

/// A column of the run, the same on all its rows.
struct RunColumn {
  const char* name;
  std::function<std::string(const RunRecord&)> cell;
};

template <class T>
RunColumn workload_value(const char* name, std::optional<T> Workload::*member) {
  return {name, [member](const RunRecord& r) {
            return r.workload.*member ? fmt::format("{}", *(r.workload.*member)) : std::string();
          }};
}

/// Names by ';', each once, in order.
std::string joined(const std::vector<std::string>& names) {
  std::string out;
  for (auto name = names.begin(); name != names.end(); ++name)
    if (std::find(names.begin(), name, *name) == name) out.append(out.empty() ? "" : ";").append(*name);
  return csv_text(out);
}

std::string flags_of(const RunRecord& run) {
  std::vector<std::string> names;
  for (const ValidityFlag& flag : run.validity) names.push_back(flag.name);
  return joined(names);
}

/// Why a run enters no estimate, as select_valid says it; empty: it does.
std::string not_counted_because(const RunRecord& run, const LeftOut& left_out) {
  if (const auto found = left_out.find(run.id); found != left_out.end()) return found->second;
  return reason_not_counted(run);
}

/// The newest measurement of a run's case; nothing where none was made.
using Judged = std::map<std::string, FidelityView>;

Judged judged_cases(const std::vector<const RunRecord*>& records) {
  Judged judged;
  for (const RunGroup& group : group_runs(records)) {
    const std::vector<FidelityView> views = fidelity_of(group);
    if (views.empty()) continue;
    for (const RunRecord* run : group.runs) judged.emplace(run->id, views.front());
    for (const FidelityView& view : views) judged.insert_or_assign(view.run->id, view);
  }
  return judged;
}

std::string number_cell(const std::optional<double>& value) { return value ? fmt::format("{}", *value) : ""; }

/// The worst of the noise floor's velocities.
std::optional<double> floor_percent(const FidelityRecord& record) {
  std::optional<double> worst;
  for (const FidelityComparison& floor : record.noise_floor)
    if (const StepDistance* step = worst_replayed(floor))
      worst = std::max(worst.value_or(0), 100 * *step->relative_l2.value);
  return worst;
}

struct FidelityColumn {
  std::string name;
  std::function<std::string(const FidelityView&)> cell;
};

/// After the stage's columns, whose places they leave alone.
std::vector<FidelityColumn> fidelity_columns() {
  using V = const FidelityView&;
  std::vector<FidelityColumn> columns = {
      {"fidelity_reference", [](V v) { return csv_text(reference_text(v.comparison())); }},
      {"fidelity_identical", [](V v) { return std::string(v.comparison().identical ? "1" : "0"); }}};
  for (const FidelityMeasure& measure : fidelity_measures()) {
    const std::string unit = std::string_view(measure.unit) == "dB"  ? "_db"
                             : std::string_view(measure.unit) == "%" ? "_percent"
                                                                     : "";
    columns.push_back({fmt::format("fidelity_{}{}", measure.key, unit),
                       [&measure](V v) { return number_cell(measure.of(v.comparison())); }});
  }
  columns.push_back({"fidelity_floor_velocity_percent", [](V v) { return number_cell(floor_percent(v.record())); }});
  columns.push_back(
      {"fidelity_includes_codec", [](V v) { return std::string(v.comparison().includes_codec ? "1" : "0"); }});
  columns.push_back({"class_refuted", [](V v) { return std::string(v.refuted().empty() ? "0" : "1"); }});
  columns.push_back({"fidelity_run_id", [](V v) { return csv_text(v.run->id); }});
  return columns;
}

std::vector<RunColumn> run_columns(const LeftOut& left_out) {
  using R = const RunRecord&;
  return {
      {"run_id", [](R r) { return csv_text(r.id); }},
      {"created_utc", [](R r) { return csv_text(r.created_utc); }},
      {"suite", [](R r) { return csv_text(r.run_case.suite); }},
      {"case", [](R r) { return csv_text(r.run_case.name); }},
      {"arm", [](R r) { return csv_text(r.run_case.arm); }},
      {"repeat", [](R r) { return fmt::format("{}", r.run_case.repeat); }},
      {"warmup", [](R r) { return std::string(r.run_case.warmup ? "1" : "0"); }},
      {"status", [](R r) { return std::string(to_string(r.status)); }},
      {"counts", [&left_out](R r) { return std::string(not_counted_because(r, left_out).empty() ? "yes" : "no"); }},
      {"not_counted_because", [&left_out](R r) { return csv_text(not_counted_because(r, left_out)); }},
      {"flags", [](R r) { return flags_of(r); }},
      {"scope", [](R r) { return std::string(to_string(r.workload.scope)); }},
      {"page_cache", [](R r) { return std::string(to_string(r.workload.page_cache)); }},
      {"precision_class", [](R r) { return std::string(to_string(r.workload.precision_class)); }},
      {"engine", [](R r) { return csv_text(r.engine.name); }},
      {"git_commit", [](R r) { return csv_text(r.tool.git_commit); }},
      {"gpu", [](R r) { return csv_text(gpu_text(r.system)); }},
      {"gpu_uuid", [](R r) { return r.system.gpus.empty() ? "" : csv_text(r.system.gpus[0].uuid); }},
      {"cpu", [](R r) { return csv_text(r.system.cpu_model); }},
      {"model", [](R r) { return csv_text(r.workload.model); }},
      workload_value("width", &Workload::width),
      workload_value("height", &Workload::height),
      workload_value("num_frames", &Workload::num_frames),
      workload_value("steps", &Workload::steps),
      {"workload_key", [](R r) { return csv_text(r.workload_key); }},
  };
}

/// The list's columns: those that were there first in their old places, the others after them.
std::vector<const StageColumn*> in_csv_order() {
  std::vector<const StageColumn*> columns;
  for (const StageColumn& column : stage_columns())
    if (column.is_in(kCsv)) columns.push_back(&column);
  const auto place = [](const StageColumn* column) { return column->csv_place > 0 ? column->csv_place : INT_MAX; };
  std::stable_sort(columns.begin(), columns.end(),
                   [&](const StageColumn* a, const StageColumn* b) { return place(a) < place(b); });
  return columns;
}

std::string cell_of(const StageColumn& column, const RunRecord& run, const StageRecord& stage) {
  const Measured<double> value = column.value(run, stage);
  if (!value.has()) return "";
  return column.is_whole() ? fmt::format("{:.0f}", *value.value) : fmt::format("{}", *value.value);
}

/// A run of which no stage is shown, such as one that crashed at its start, still has a row: `none`.
std::vector<const StageRecord*> shown_stages(const RunRecord& record, HiddenRows hidden, const StageRecord& none) {
  std::vector<const StageRecord*> shown;
  for (const StageRecord& stage : record.stages)
    if (hidden == HiddenRows::kWritten || stage.kind != StageKind::kHidden) shown.push_back(&stage);
  if (shown.empty()) shown.push_back(&none);
  return shown;
}

}  // namespace

std::string to_csv(const std::vector<const RunRecord*>& records, const LeftOut& left_out, HiddenRows hidden) {
  const std::vector<RunColumn> of_run = run_columns(left_out);
  const std::vector<const StageColumn*> of_stage = in_csv_order();
  std::string out;
  for (const RunColumn& column : of_run) out.append(column.name).append(",");
  out.append("stage,kind,stage_flags");
  for (const StageColumn* column : of_stage) out.append(",").append(column->key);
  const std::vector<FidelityColumn> of_fidelity = fidelity_columns();
  const Judged judged = judged_cases(records);
  for (const FidelityColumn& column : of_fidelity) out.append(",").append(column.name);
  out.append("\n");
  const StageRecord none{};
  for (const RunRecord* record : records) {
    std::string run;
    for (const RunColumn& column : of_run) run.append(column.cell(*record)).append(",");
    std::string fidelity;
    const auto measured = judged.find(record->id);
    for (const FidelityColumn& column : of_fidelity)
      fidelity.append(",").append(measured == judged.end() ? "" : column.cell(measured->second));
    for (const StageRecord* stage : shown_stages(*record, hidden, none)) {
      out.append(run).append(csv_text(stage->id)).append(",").append(to_string(stage->kind)).append(",");
      out.append(joined(stage->flags));
      for (const StageColumn* column : of_stage) out.append(",").append(cell_of(*column, *record, *stage));
      out.append(fidelity);
      out.append("\n");
    }
  }
  return out;
}

}  // namespace wan::report
