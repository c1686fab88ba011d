// The JSON of `wanbench load`.
#include "base/enum_names.h"
#include "cli/load_result.h"

namespace wan::cli {
namespace {

OrderedJson json_of(const std::optional<double>& value, std::string_view reason) {
  return value ? json_value(*value) : json_value(nullptr, reason);
}

constexpr std::string_view kTooFew = "too_few_requests";

OrderedJson json_of(const LooseInterval& interval) {
  return {{"low", json_of(interval.low, kTooFew)}, {"high", json_of(interval.high, kTooFew)}};
}

OrderedJson json_of(const std::optional<LoadSpread>& spread, std::string_view reason) {
  if (!spread) return json_value(nullptr, reason);
  OrderedJson json = {{"count", spread->count}, {"mean", spread->mean}, {"quantiles", OrderedJson::array()}};
  for (const LoadQuantile& one : spread->quantiles)
    json["quantiles"].push_back({{"p", one.p}, {"value", one.value}, {"interval", json_of(one.interval)}});
  return json_value(std::move(json));
}

OrderedJson json_of(const std::optional<LoadMean>& mean, std::string_view reason) {
  if (!mean) return json_value(nullptr, reason);
  OrderedJson json = {{"mean", mean->value}};
  json["interval"] = mean->interval ? json_value({{"low", mean->interval->low}, {"high", mean->interval->high}})
                                    : json_value(nullptr, kTooFew);
  return json_value(std::move(json));
}

OrderedJson json_of(const LoadSummary& level, const LoadTest& test) {
  constexpr std::string_view kNothing = "nothing_was_completed";
  OrderedJson json = {{"name", level.name()}, {"mode", enum_name(level.level->mode)}};
  json["rate"] = json_of(level.level->rate, "closed");
  json["concurrency"] = level.level->concurrency ? json_value(*level.level->concurrency) : json_value(nullptr, "open");
  json["scenario"] =
      level.level->scenario ? json_value(enum_name(*level.level->scenario)) : json_value(nullptr, "not_asked_for");
  json["asked"] = level.asked;
  json["completed"] = level.completed;
  json["failures"] = OrderedJson::array();
  for (const auto& [what, count] : level.failures) json["failures"].push_back({{"what", what}, {"count", count}});
  json["latency_s"] = json_of(level.latency, kNothing);
  json["queue_s"] = json_of(level.queue, "not_told");
  json["service_s"] = json_of(level.service, "not_told");
  json["start_known"] = OrderedJson::object();
  for (const auto& [known, count] : level.start_known) json["start_known"][std::string(enum_name(known))] = count;
  json["sent_late_s"] = level.latest_s;
  json["videos_per_s"] = json_of(level.per_s, "fewer_than_two_completed");
  json["videos_per_s_interval"] = json_of(level.per_s_interval);
  if (level.goodput)
    json["goodput"] =
        json_value({{"judged", level.goodput->judged},
                    {"within", level.goodput->within},
                    {"share_interval", {{"low", level.goodput->share.low}, {"high", level.goodput->share.high}}},
                    {"videos_per_s", json_of(level.goodput->per_s, "fewer_than_two_completed")}});
  else
    json["goodput"] = json_value(nullptr, level.why_no_goodput);
  json["video_energy_j"] = json_of(level.video_energy_j, level.completed == 0 ? kNothing : test.why_no_energy);
  json["energy_with_waiting_j"] = json_of(level.all_energy_j, test.why_no_power.empty() ? kTooFew : test.why_no_power);
  json["price"] = json_of(level.price, level.completed == 0 ? kNothing : test.why_no_price);
  json["stages"] = OrderedJson::array();
  for (const LoadStage& stage : level.stages)
    json["stages"].push_back({{"name", stage.name}, {"mean_s", stage.seconds}});
  return json;
}

}  // namespace

OrderedJson json_of(const LoadView& view) {
  const LoadTest& test = view.test;
  const std::vector<LoadSummary>& levels = view.levels;
  OrderedJson document = json_document("wanbench.load_summary", 1, 1);
  document["url"] = test.url;
  document["adapter"] = test.adapter;
  document["adapter_tried"] = test.adapter_tried;
  document["model"] = test.model;
  document["server"] = test.server;
  document["settings"] = OrderedJson(test.settings);
  document["prompts"] = test.prompts;
  document["prompts_sha256"] = test.prompts_sha256;
  document["seed"] = test.seed;
  document["has_one_seed"] = test.has_one_seed;
  document["objective_multiple"] = json_of(test.objective_multiple, "not_given");
  document["objective_s"] = json_of(test.objective_s, "not_given");
  document["currency"] = test.currency;
  document["idle_w"] = json_of(idle_watts(test), test.why_no_power);
  const LoadSummary* most = saturation(levels);
  document["most_videos_per_s"] =
      most != nullptr ? json_value(*most->per_s) : json_value(nullptr, "fewer_than_two_completed");
  document["levels"] = OrderedJson::array();
  for (const LoadSummary& level : levels) document["levels"].push_back(json_of(level, test));
  return document;
}

}  // namespace wan::cli
