#include "results/load.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "base/json_parse.h"
#include "base/json_reader.h"

namespace wan {
namespace {

using Json = nlohmann::ordered_json;

constexpr size_t kMostStages = 32;
constexpr Bounds<double> kTimesOfLevel{0, 1e9};
constexpr Bounds<double> kRates{0, 1e6};
constexpr Bounds<double> kWatts{0, 1e7};
constexpr Bounds<double> kAmounts{0, 1e12};
constexpr Bounds<int64_t> kCounts{0, 1'000'000'000};

template <class T>
Json json_of(const std::optional<T>& value) {
  return value ? Json(*value) : Json(nullptr);
}

Json json_of(const std::vector<PowerReading>& readings) {
  Json list = Json::array();
  for (const PowerReading& reading : readings) list.push_back({reading.at_s, reading.watts});
  return list;
}

Json json_of(const LoadRequest& request) {
  Json json = {{"intended_s", request.intended_s},
               {"sent_s", request.sent_s},
               {"accepted_s", json_of(request.accepted_s)},
               {"started_s", json_of(request.started_s)},
               {"ended_s", json_of(request.ended_s)},
               {"end", enum_name(request.end)},
               {"detail", request.detail},
               {"start_known", enum_name(request.start_known)},
               {"warm_up", request.warm_up},
               {"prompt", request.prompt},
               {"queue_position", json_of(request.queue_position)},
               {"inference_s", json_of(request.inference_s)},
               {"expected_s", json_of(request.expected_s)},
               {"energy_j", json_of(request.energy_j)},
               {"price", json_of(request.price)}};
  json["stages"] = Json::array();
  for (const LoadStage& stage : request.stages) json["stages"].push_back({stage.name, stage.seconds});
  return json;
}

Json json_of(const LoadLevel& level) {
  Json json = {{"mode", enum_name(level.mode)},
               {"rate", json_of(level.rate)},
               {"concurrency", json_of(level.concurrency)},
               {"scenario", level.scenario ? Json(enum_name(*level.scenario)) : Json(nullptr)},
               {"requests", Json::array()},
               {"power", json_of(level.power)}};
  for (const LoadRequest& request : level.requests) json["requests"].push_back(json_of(request));
  return json;
}

template <class T>
void read_or_null(JsonReader& reader, std::string_view key, std::optional<T>& value, const Bounds<T>& bounds) {
  if (const nlohmann::json* found = reader.find(key); found != nullptr && !found->is_null())
    reader.read(key, value, bounds);
}

/// A list of at most `most`, each handed to `read`.
template <class Read>
void read_list(JsonReader& reader, std::string_view key, size_t most, Read read) {
  const nlohmann::json* list = reader.find(key);
  if (list == nullptr) return;
  if (!list->is_array()) throw reader.wrong(key, "a list", *list);
  if (list->size() > most)
    throw reader.error(fmt::format("field '{}' has {} elements; {} at most are read", key, list->size(), most));
  for (size_t i = 0; i < list->size(); ++i) read((*list)[i], i);
}

std::vector<PowerReading> read_power(JsonReader& reader, std::string_view key, const std::string& where) {
  std::vector<PowerReading> readings;
  read_list(reader, key, kMostLoadReadings, [&](const nlohmann::json& one, size_t i) {
    const std::vector<double> pair = json_numbers(one, fmt::format("{}: {} {}", where, key, i + 1), kWatts);
    const bool is_later = readings.empty() || (pair.size() == 2 && pair[0] >= readings.back().at_s);
    if (pair.size() != 2 || !is_later)
      throw reader.error(fmt::format("{} {} must be a time and watts, in order of time", key, i + 1));
    readings.push_back({pair[0], pair[1]});
  });
  return readings;
}

void require_in_order(const JsonReader& reader, const LoadRequest& request) {
  double last = request.intended_s;
  for (const std::optional<double>& at : {std::optional(request.sent_s), request.started_s, request.ended_s}) {
    if (!at) continue;
    if (*at < last) throw reader.error("intended_s, sent_s, started_s and ended_s must be in order of time");
    last = *at;
  }
  if (request.end == LoadEnd::kCompleted && !request.ended_s) throw reader.error("one that is completed has ended_s");
}

LoadRequest request_from(const nlohmann::json& json, const std::string& where) {
  JsonReader reader(json, where);
  LoadRequest request;
  reader.read("intended_s", request.intended_s, kTimesOfLevel);
  reader.read("sent_s", request.sent_s, kTimesOfLevel);
  read_or_null(reader, "accepted_s", request.accepted_s, kTimesOfLevel);
  read_or_null(reader, "started_s", request.started_s, kTimesOfLevel);
  read_or_null(reader, "ended_s", request.ended_s, kTimesOfLevel);
  reader.read("end", request.end);
  reader.read("detail", request.detail);
  reader.read("start_known", request.start_known);
  reader.read("warm_up", request.warm_up);
  reader.read("prompt", request.prompt, kCounts);
  read_or_null(reader, "queue_position", request.queue_position, kCounts);
  read_or_null(reader, "inference_s", request.inference_s, kTimesOfLevel);
  read_or_null(reader, "expected_s", request.expected_s, kTimesOfLevel);
  read_or_null(reader, "energy_j", request.energy_j, kAmounts);
  read_or_null(reader, "price", request.price, kAmounts);
  read_list(reader, "stages", kMostStages, [&](const nlohmann::json& one, size_t i) {
    const bool is_pair = one.is_array() && one.size() == 2 && one[0].is_string();
    const std::optional<double> seconds = is_pair ? json_number(one[1], kTimesOfLevel) : std::nullopt;
    if (!seconds) throw reader.error(fmt::format("stage {} must be a name and seconds", i + 1));
    request.stages.push_back({one[0].get<std::string>(), *seconds});
  });
  reader.refuse_unknown();
  require_in_order(reader, request);
  return request;
}

LoadLevel level_from(const nlohmann::json& json, const std::string& where) {
  JsonReader reader(json, where);
  LoadLevel level;
  reader.read("mode", level.mode);
  read_or_null(reader, "rate", level.rate, kRates);
  read_or_null(reader, "concurrency", level.concurrency, kCounts);
  if (const nlohmann::json* scenario = reader.find("scenario"); scenario != nullptr && !scenario->is_null())
    reader.read("scenario", level.scenario);
  read_list(reader, "requests", kMostLoadRequests, [&](const nlohmann::json& one, size_t i) {
    level.requests.push_back(request_from(one, fmt::format("{}: request {}", where, i + 1)));
  });
  level.power = read_power(reader, "power", where);
  reader.refuse_unknown();
  return level;
}

void read_schema(JsonReader& reader, const std::string& where) {
  nlohmann::json schema;
  reader.read("schema", schema);
  JsonReader version(schema, where + ": schema");
  std::string name;
  int major = 0, minor = 0;
  version.read("name", name);
  version.read("major", major);
  version.read("minor", minor);
  if (name != kLoadSchema || major != kLoadMajor)
    throw reader.error(fmt::format("is {} {}, expected {} {}", name, major, kLoadSchema, kLoadMajor));
}

void read_settings(JsonReader& reader, std::map<std::string, std::string>& settings) {
  const nlohmann::json* found = reader.find("settings");
  if (found == nullptr) return;
  if (!found->is_object()) throw reader.wrong("settings", "an object of texts", *found);
  for (const auto& [key, value] : found->items()) {
    if (!value.is_string()) throw reader.wrong("settings", "an object of texts", *found);
    settings[key] = value.get<std::string>();
  }
}

}  // namespace

std::string to_json(const LoadTest& test) {
  Json json;
  json["schema"] = {{"name", kLoadSchema}, {"major", kLoadMajor}, {"minor", kLoadMinor}};
  json["created_utc"] = test.created_utc;
  json["tool_version"] = test.tool_version;
  json["tool_revision"] = test.tool_revision;
  json["url"] = test.url;
  json["adapter"] = test.adapter;
  json["adapter_tried"] = test.adapter_tried;
  json["model"] = test.model;
  json["server"] = test.server;
  json["settings"] = Json(test.settings);
  json["prompts"] = test.prompts;
  json["prompts_sha256"] = test.prompts_sha256;
  json["seed"] = test.seed;
  json["has_one_seed"] = test.has_one_seed;
  json["poll_s"] = test.poll_s;
  json["objective_multiple"] = json_of(test.objective_multiple);
  json["objective_s"] = json_of(test.objective_s);
  json["currency"] = test.currency;
  json["why_no_energy"] = test.why_no_energy;
  json["why_no_price"] = test.why_no_price;
  json["idle_power"] = json_of(test.idle_power);
  json["why_no_power"] = test.why_no_power;
  json["levels"] = Json::array();
  for (const LoadLevel& level : test.levels) json["levels"].push_back(json_of(level));
  return json.dump(1, ' ', false, Json::error_handler_t::replace) + "\n";
}

LoadTest load_test_from_json(const std::string& text, const std::string& where) {
  const nlohmann::json json = parse_json(text, where);
  JsonReader reader(json, where);
  read_schema(reader, where);
  LoadTest test;
  reader.read("created_utc", test.created_utc);
  reader.read("tool_version", test.tool_version);
  reader.read("tool_revision", test.tool_revision);
  reader.read("url", test.url);
  reader.read("adapter", test.adapter);
  reader.read("adapter_tried", test.adapter_tried);
  reader.read("model", test.model);
  reader.read("server", test.server);
  read_settings(reader, test.settings);
  reader.read("prompts", test.prompts, kCounts);
  reader.read("prompts_sha256", test.prompts_sha256);
  reader.read("seed", test.seed);
  reader.read("has_one_seed", test.has_one_seed);
  reader.read("poll_s", test.poll_s, kTimesOfLevel);
  read_or_null(reader, "objective_multiple", test.objective_multiple, kRates);
  read_or_null(reader, "objective_s", test.objective_s, kTimesOfLevel);
  reader.read("currency", test.currency);
  reader.read("why_no_energy", test.why_no_energy);
  reader.read("why_no_price", test.why_no_price);
  test.idle_power = read_power(reader, "idle_power", where);
  reader.read("why_no_power", test.why_no_power);
  read_list(reader, "levels", kMostLoadLevels, [&](const nlohmann::json& one, size_t i) {
    test.levels.push_back(level_from(one, fmt::format("{}: level {}", where, i + 1)));
  });
  reader.refuse_unknown();
  return test;
}

}  // namespace wan
