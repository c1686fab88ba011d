#include "suite/fidelity_task.h"

#include <string_view>

#include <nlohmann/json.hpp>

#include "base/json_parse.h"
#include "base/json_reader.h"
#include "pipeline/request_json.h"
#include "results/enum_names.h"

namespace wan::suite {
namespace {

using Json = nlohmann::ordered_json;

constexpr const char* kWhere = "a fidelity task";
constexpr Bounds<double> kBound{0, 1};
constexpr Bounds<int64_t> kSide{1, 1'000'000};
constexpr Bounds<double> kRate{0, 1000};

Json json_of(const Setting& setting) {
  return {{"name", setting.name},
          {"request", Json::parse(request_json(setting.request))},
          {"precision_class", to_string(setting.precision_class)},
          {"recipe", setting.recipe}};
}

Json json_of(const SettingPair& pair) {
  return {{"reference", json_of(pair.reference)},
          {"test", json_of(pair.test)},
          {"why_not_replayed", pair.why_not_replayed}};
}

Json json_of(const KeptVideo& video) {
  return {{"frames", video.frames.string()}, {"latent", video.latent.string()}, {"width", video.width},
          {"height", video.height},          {"num_frames", video.num_frames},  {"fps", video.fps},
          {"sha256", video.sha256}};
}

KeptVideo kept_of(const nlohmann::json& json) {
  JsonReader reader(json, kWhere);
  KeptVideo video;
  reader.read("frames", video.frames);
  reader.read("latent", video.latent);
  reader.read("width", video.width, kSide);
  reader.read("height", video.height, kSide);
  reader.read("num_frames", video.num_frames, kSide);
  reader.read("fps", video.fps, kRate);
  reader.read("sha256", video.sha256);
  reader.refuse_unknown();
  return video;
}

Setting setting_of(const nlohmann::json& json) {
  JsonReader reader(json, kWhere);
  Setting setting;
  nlohmann::json request;
  reader.read("name", setting.name);
  reader.read("request", request);
  reader.read("precision_class", setting.precision_class);
  reader.read("recipe", setting.recipe);
  reader.refuse_unknown();
  setting.request = request_from_json(request.dump());
  return setting;
}

SettingPair pair_of(const nlohmann::json& json) {
  JsonReader reader(json, kWhere);
  SettingPair pair;
  nlohmann::json reference, test;
  reader.read("reference", reference);
  reader.read("test", test);
  reader.read("why_not_replayed", pair.why_not_replayed);
  reader.refuse_unknown();
  pair.reference = setting_of(reference);
  pair.test = setting_of(test);
  return pair;
}

}  // namespace

std::string to_json(const FidelityTask& task) {
  Json json = {{"pair", json_of(task.pair)},
               {"reference_key", task.reference_key},
               {"test_video", task.test_video.string()},
               {"floor", Json::array()},
               {"why_no_floor", task.why_no_floor},
               {"folder", task.folder.string()},
               {"stills_from", task.stills_from.string()}};
  if (task.bound) json["bound"] = *task.bound;
  if (!task.kept_reference.empty()) json["kept_reference"] = task.kept_reference;
  if (task.kept) json["kept"] = {{"reference", json_of(task.kept->reference)}, {"test", json_of(task.kept->test)}};
  for (const SettingPair& pair : task.floor) json["floor"].push_back(json_of(pair));
  return json.dump();
}

FidelityTask fidelity_task_from_json(const std::string& text) {
  const nlohmann::json json = parse_json(text, kWhere);
  JsonReader reader(json, kWhere);
  FidelityTask task;
  nlohmann::json pair, floor, kept;
  reader.read("pair", pair);
  reader.read("reference_key", task.reference_key);
  reader.read("test_video", task.test_video);
  reader.read("floor", floor);
  reader.read("why_no_floor", task.why_no_floor);
  reader.read("folder", task.folder);
  reader.read("stills_from", task.stills_from);
  reader.read("bound", task.bound, kBound);
  reader.read("kept_reference", task.kept_reference);
  reader.read("kept", kept);
  reader.refuse_unknown();
  task.pair = pair_of(pair);
  if (!kept.is_null()) {
    JsonReader sides(kept, kWhere);
    nlohmann::json reference, test;
    sides.read("reference", reference);
    sides.read("test", test);
    sides.refuse_unknown();
    task.kept = KeptPair{kept_of(reference), kept_of(test)};
  }
  for (const nlohmann::json& entry : floor) task.floor.push_back(pair_of(entry));
  return task;
}

}  // namespace wan::suite
