// The JSON of `wanbench ablate`.
#include "cli/ablate_result.h"
#include "results/enum_names.h"

namespace wan::cli {
namespace {

OrderedJson json_of(const std::optional<double>& value, std::string_view reason) {
  return value ? json_value(*value) : json_value(nullptr, reason);
}

OrderedJson json_of(const Quantity& quantity) {
  if (!quantity.has()) return json_value(nullptr, quantity.reason);
  OrderedJson json = {{"median", quantity.median()}, {"runs", quantity.estimate->runs}};
  if (const auto& interval = quantity.estimate->interval)
    json["interval"] = json_value({{"low", interval->low}, {"high", interval->high}});
  else
    json["interval"] = json_value(nullptr, "single_run");
  return json_value(std::move(json));
}

OrderedJson json_of(const ForwardCounts& forwards) {
  return {{"planned", json_value(forwards.planned)},
          {"computed", forwards.computed},
          {"reused", forwards.reused},
          {"cond", forwards.cond},
          {"uncond", forwards.uncond},
          {"flop_computed", forwards.flop_computed},
          {"flop_skipped", forwards.flop_skipped}};
}

OrderedJson json_of(const FidelityView& view) {
  const FidelityComparison& comparison = view.comparison();
  OrderedJson json = {{"reference", comparison.reference},
                      {"identical", comparison.identical},
                      {"run_id", view.run->id},
                      {"other_frames", view.other_frames}};
  for (const FidelityMeasure& measure : fidelity_measures())
    json[measure.key] = json_of(measure.of(comparison), comparison.identical ? "identical" : "not_measured");
  json["last_latent_percent"] = json_of(last_latent_percent(comparison),
                                        comparison.why_no_latents.empty() ? "not_measured" : comparison.why_no_latents);
  return json;
}

std::string_view reason_of(const AblationRow& row) { return row.arm->lever.empty() ? "it_is_the_default" : row.text; }

OrderedJson json_of(const AblationRow& row) {
  OrderedJson json = {
      {"arm", row.arm->name},
      {"lever", row.arm->lever.empty() ? json_value(nullptr, "it_is_the_default") : json_value(row.arm->lever)},
      {"setting", row.arm->setting},
      {"verdict", to_string(row.verdict)},
      {"text", row.text},
      {"remarks", row.arm->remarks},
      {"doubt", row.doubt},
      {"expected_s", json_of(row.arm->expected_s, "not_known")}};
  static const Quantity kNone{.estimate = {}, .reason = "no_run", .source = ""};
  const CaseSummary* numbers = row.numbers;
  json["seconds"] = json_of(numbers != nullptr ? numbers->total_s : kNone);
  json["denoising_s"] = json_of(numbers != nullptr ? numbers->steps_s : kNone);
  json["peak_device_bytes"] = json_of(numbers != nullptr ? numbers->peak_device_bytes : kNone);
  json["peak_host_bytes"] = json_of(numbers != nullptr ? numbers->peak_host_bytes : kNone);
  json["energy_j"] = json_of(numbers != nullptr ? numbers->energy_j : kNone);
  json["spread"] = row.spread
                       ? json_value({{"share", row.spread->share}, {"of", row.spread->of_runs ? "runs" : "steps"}})
                       : json_value(nullptr, "too_few_steps");
  json["gain"] = json_of(row.gain, "not_compared");
  json["denoising_gain"] = json_of(row.denoising_gain, "not_compared");
  json["forwards"] = row.forwards != nullptr ? json_value(json_of(*row.forwards)) : json_value(nullptr, "not_recorded");
  json["fidelity"] = row.fidelity ? json_value(json_of(*row.fidelity)) : json_value(nullptr, reason_of(row));
  return json;
}

}  // namespace

OrderedJson json_of(const AblationTable& table) {
  OrderedJson document = json_document("wanbench.ablation", 1, 0);
  document["case"] = table.ablation.case_name;
  document["device"] = table.device.empty() ? json_value(nullptr, "nothing_was_run") : json_value(table.device);
  document["random_weights"] = table.ablation.random_weights;
  document["remarks"] = table.remarks;
  document["arms"] = OrderedJson::array();
  for (const AblationRow& row : table.rows) document["arms"].push_back(json_of(row));
  return document;
}

}  // namespace wan::cli
