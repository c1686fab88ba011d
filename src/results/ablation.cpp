#include "results/ablation.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "base/json_parse.h"
#include "base/json_reader.h"

namespace wan {
namespace {

using Json = nlohmann::ordered_json;

constexpr size_t kMostArms = 1000;
constexpr Bounds<double> kSeconds{0, 1e9};
constexpr Bounds<int64_t> kForwards{0, 1'000'000};

template <class T>
Json json_of(const std::optional<T>& value) {
  return value ? Json(*value) : Json(nullptr);
}

Json json_of(const AblationArm& arm) {
  return {{"name", arm.name},
          {"lever", arm.lever},
          {"setting", arm.setting},
          {"why_not_run", arm.why_not_run},
          {"expected_s", json_of(arm.expected_s)},
          {"forwards_planned", json_of(arm.forwards_planned)},
          {"forwards_in_all", json_of(arm.forwards_in_all)},
          {"remarks", arm.remarks}};
}

template <class T>
void read_or_null(JsonReader& reader, std::string_view key, std::optional<T>& value, const Bounds<T>& bounds) {
  if (const nlohmann::json* found = reader.find(key); found != nullptr && !found->is_null())
    reader.read(key, value, bounds);
}

AblationArm arm_from(const nlohmann::json& json, const std::string& where) {
  JsonReader reader(json, where);
  AblationArm arm;
  reader.read("name", arm.name);
  reader.read("lever", arm.lever);
  reader.read("setting", arm.setting);
  reader.read("why_not_run", arm.why_not_run);
  read_or_null(reader, "expected_s", arm.expected_s, kSeconds);
  read_or_null(reader, "forwards_planned", arm.forwards_planned, kForwards);
  read_or_null(reader, "forwards_in_all", arm.forwards_in_all, kForwards);
  reader.read("remarks", arm.remarks);
  reader.refuse_unknown();
  return arm;
}

}  // namespace

std::string to_json(const Ablation& ablation) {
  Json json;
  json["schema"] = {{"name", kAblationSchema}, {"major", kAblationMajor}, {"minor", kAblationMinor}};
  json["case"] = ablation.case_name;
  json["random_weights"] = ablation.random_weights;
  json["arms"] = Json::array();
  for (const AblationArm& arm : ablation.arms) json["arms"].push_back(json_of(arm));
  return json.dump(1, ' ', false, Json::error_handler_t::replace) + "\n";
}

Ablation ablation_from_json(const std::string& text, const std::string& where) {
  const nlohmann::json json = parse_json(text, where);
  JsonReader reader(json, where);
  nlohmann::json schema, arms;
  Ablation ablation;
  reader.read("schema", schema);
  reader.read("case", ablation.case_name);
  reader.read("random_weights", ablation.random_weights);
  reader.read("arms", arms);
  reader.refuse_unknown();
  JsonReader version(schema, where + ": schema");
  std::string name;
  int major = 0, minor = 0;
  version.read("name", name);
  version.read("major", major);
  version.read("minor", minor);
  if (name != kAblationSchema || major != kAblationMajor)
    throw reader.error(fmt::format("is {} {}, expected {} {}", name, major, kAblationSchema, kAblationMajor));
  if (!arms.is_array() || arms.empty() || arms.size() > kMostArms)
    throw reader.wrong("arms", fmt::format("a list of 1 to {} arms", kMostArms), arms);
  for (size_t i = 0; i < arms.size(); ++i)
    ablation.arms.push_back(arm_from(arms[i], fmt::format("{}: arm {}", where, i + 1)));
  return ablation;
}

}  // namespace wan
