// The JSON of `wanbench compare`.
#include "cli/compare_result.h"
#include "results/enum_names.h"

namespace wan::cli {
namespace {

OrderedJson json_of(const std::optional<Interval>& interval, const char* reason) {
  return interval ? json_value({{"low", interval->low}, {"high", interval->high}}) : json_value(nullptr, reason);
}

OrderedJson json_of(const std::optional<double>& value, const char* reason) {
  return value ? json_value(*value) : json_value(nullptr, reason);
}

OrderedJson json_of(const Estimate& estimate) {
  return {{"median", estimate.median},
          {"runs", estimate.runs},
          {"interval", json_of(estimate.interval, estimate.runs < 2 ? "single_run" : "no_interval")}};
}

OrderedJson json_of(const RatioTest& test) {
  OrderedJson json = {{"ratio", test.ratio},
                      {"interval", json_of(test.interval, "too_few_runs")},
                      {"p_welch", json_of(test.p_welch, "too_few_runs")},
                      {"p_rank", json_of(test.p_rank, "too_few_runs")},
                      {"verdict", to_string(test.verdict)}};
  if (!test.reason.empty()) json["reason"] = test.reason;
  return json;
}

OrderedJson json_of(const ComparedRow& row) {
  return {{"name", row.name},
          {"a_s", json_of(row.a)},
          {"b_s", json_of(row.b)},
          {"time", json_of(row.time)},
          {"cycles", row.cycles ? json_value(json_of(*row.cycles)) : json_value(nullptr, "no_clocks")},
          {"clock_explains", row.clock_explains},
          {"p_holm", json_of(row.p_holm, "not_a_stage_row")}};
}

OrderedJson json_of(const std::vector<ComparedRow>& rows) {
  OrderedJson list = OrderedJson::array();
  for (const ComparedRow& row : rows) list.push_back(json_of(row));
  return list;
}

OrderedJson json_of(const std::vector<FieldDifference>& fields) {
  OrderedJson list = OrderedJson::array();
  for (const FieldDifference& field : fields) list.push_back({{"field", field.field}, {"a", field.a}, {"b", field.b}});
  return list;
}

OrderedJson side_of(const CaseSummary& summary) {
  OrderedJson json = {{"engine", summary.group.engine}, {"device", summary.group.device}};
  if (summary.example == nullptr) return json;
  const RunRecord& run = *summary.example;
  json["scope"] = enum_name(run.workload.scope);
  json["precision_class"] = enum_name(run.workload.precision_class);
  json["commit"] = run.tool.git_commit.empty() ? json_value(nullptr, "not_recorded") : json_value(run.tool.git_commit);
  return json;
}

OrderedJson json_of(const SpeedupSplit& split) {
  return {{"total", split.total},
          {"gpu", split.gpu},
          {"host", split.host},
          {"saved_s", split.saved_s},
          {"saved_gpu_s", split.saved_gpu_s},
          {"saved_host_s", split.saved_host_s}};
}

OrderedJson json_of(const FidelityComparison& comparison) {
  OrderedJson json = {{"reference", comparison.reference},
                      {"reference_class", enum_name(comparison.reference_class)},
                      {"reference_recipe", comparison.reference_recipe},
                      {"identical", comparison.identical},
                      {"includes_codec", comparison.includes_codec}};
  for (const FidelityMeasure& measure : fidelity_measures())
    json[measure.key] = json_of(measure.of(comparison), comparison.identical ? "identical" : "not_measured");
  return json;
}

OrderedJson json_of(const ComparedFidelity& fidelity) {
  const FidelityRecord& record = fidelity.view.record();
  OrderedJson json = json_of(record.comparison);
  json["of"] = fidelity.of == ComparedFidelity::Side::kA ? "a" : "b";
  json["against_other_side"] = fidelity.against_other_side;
  json["run_id"] = fidelity.view.run->id;
  json["other_frames"] = fidelity.view.other_frames;
  json["noise_floor"] = OrderedJson::array();
  for (const FidelityComparison& floor : record.noise_floor) {
    json["noise_floor"].push_back(json_of(floor));
    json["noise_floor"].back()["test"] = floor.test;
  }
  return json;
}

/// Null where both sides are of one class and recipe; an empty list where it is asked for and not measured.
OrderedJson json_of(const PairFidelity& fidelity) {
  if (!fidelity.is_asked) return json_value(nullptr, "one_class_and_recipe");
  OrderedJson list = OrderedJson::array();
  for (const ComparedFidelity& one : fidelity.measured) list.push_back(json_of(one));
  return json_value(list);
}

OrderedJson json_of(const Comparison& pair, const std::string& gate) {
  OrderedJson json = {{"case", pair.case_name},
                      {"a", side_of(*pair.a)},
                      {"b", side_of(*pair.b)},
                      {"comparable", pair.comparable()},
                      {"refusals", pair.refusals},
                      {"gate_is_missing", lacks_gate(pair, gate)},
                      {"rows", json_of(pair.scopes)},
                      {"stages", json_of(pair.stages)},
                      {"split", pair.split ? json_value(json_of(*pair.split)) : json_value(nullptr, "not_told_apart")},
                      {"fidelity", json_of(pair.fidelity)},
                      {"class_refuted", {{"a", pair.fidelity.refuted_a}, {"b", pair.fidelity.refuted_b}}},
                      {"notes", OrderedJson::array()},
                      {"recorded_on_one_side", json_of(pair.workload.unknown)}};
  for (const Caveat& caveat : pair.caveats) json["notes"].push_back(caveat_text(caveat, "A", "B"));
  return json;
}

OrderedJson json_of(const ArmComparison& arms, const std::string& gate) {
  OrderedJson json = {{"a", arms.base->label},
                      {"b", arms.other->label},
                      {"only_in_a", arms.only_in_a},
                      {"only_in_b", arms.only_in_b},
                      {"pairs", OrderedJson::array()},
                      {"geometric_mean_ratio", json_of(mean_ratio(arms), "not_all_cases_in_both_or_one_case")}};
  for (const Comparison& pair : arms.pairs) json["pairs"].push_back(json_of(pair, gate));
  return json;
}

}  // namespace

OrderedJson json_of(const CompareResult& result) {
  const GateCounts& counts = result.counts;
  OrderedJson json = json_document("wanbench.compare", 1, 1);
  json["gate"] = {{"row", result.gate},
                  {"margin_percent", 100 * result.margin},
                  {"fail_if_slower_percent", json_of(result.fail_if_slower_percent, "no_limit")},
                  {"strict", result.strict},
                  {"slower", counts.slower},
                  {"inconclusive", counts.inconclusive},
                  {"passed", counts.passed},
                  {"missing", counts.missing},
                  {"not_comparable", counts.incomparable},
                  {"exit_code", static_cast<int>(gate_code(counts, result.strict))}};
  json["arms"] = OrderedJson::array();
  for (const ArmComparison& arms : result.compared) json["arms"].push_back(json_of(arms, result.gate));
  return json;
}

}  // namespace wan::cli
