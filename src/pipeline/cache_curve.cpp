#include "pipeline/cache_curve.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/json_number.h"
#include "base/json_parse.h"
#include "base/json_reader.h"
#include "io/printable.h"
#include "pipeline/request_options.h"
#include "pipeline/request_words.h"

namespace wan {
namespace {

using Json = nlohmann::json;

constexpr uint64_t kMostBytes = uint64_t{1} << 20;
constexpr size_t kMostName = 4096, kMostExperts = 8, kMostSourceWords = 32;
constexpr Bounds<double> kRatio{0, 1000};

/// A member that has to be there.
const Json& member(JsonReader& reader, const char* key) {
  const Json* found = reader.find(key);
  if (found == nullptr) throw reader.error(fmt::format("field '{}' is missing", key));
  return *found;
}

void check_schema(const Json& json, const std::string& where) {
  JsonReader schema(json, where + ": schema");
  std::string name;
  int major = 0, minor = 0;
  schema.read("name", name);
  schema.read("major", major);
  schema.read("minor", minor);
  if (name != kCurveSchema)
    throw schema.error(fmt::format("is '{}', expected {}: `wanbench calibrate-cache` writes such a file",
                                   printable(name), kCurveSchema));
  if (major != kCurveMajor)
    throw schema.error(fmt::format("has version {} of {}, this program reads {}: take a newer wanbench", major,
                                   kCurveSchema, kCurveMajor));
}

std::vector<std::optional<double>> read_branch(JsonReader& ratios, const char* key, size_t steps,
                                               const std::string& where) {
  const Json& list = member(ratios, key);
  if (!list.is_array() || list.size() != steps)
    throw ratios.error(fmt::format("field '{}' must be a list of {} ratios, one a step, null where there is none; {}",
                                   key, steps, list.is_array() ? fmt::format("it has {}", list.size()) : "it is none"));
  std::vector<std::optional<double>> values;
  for (const Json& item : list) {
    values.push_back(json_number(item, kRatio));
    require(item.is_null() || values.back(),
            fmt::format("{}: ratio {} of '{}' must be {} or null, found {}", where, values.size(), key,
                        describe(kRatio), item.dump(-1, ' ', true, Json::error_handler_t::replace).substr(0, 60)),
            ErrorKind::kInput);
  }
  return values;
}

void read_settings(const Json& json, const std::string& where, CacheCurve& curve) {
  JsonReader settings(json, where + ": settings");
  for (const char* key : {"threshold", "max_skips", "retention"}) member(settings, key);
  settings.read("threshold", curve.settings.threshold, kCacheThreshold);
  settings.read("max_skips", curve.settings.max_skips, kCacheSkips);
  settings.read("retention", curve.settings.retention, kShare);
  settings.read("experts", curve.experts);
  if (curve.experts.size() > kMostExperts)
    throw settings.error(fmt::format("field 'experts' names more than {}", kMostExperts));
  for (const std::string& name : curve.experts)
    if (name != expert_name(NoiseRange::kHigh) && name != expert_name(NoiseRange::kLow))
      throw settings.error(fmt::format("field 'experts' names '{}'; there are {} and {}", printable(name),
                                       expert_name(NoiseRange::kHigh), expert_name(NoiseRange::kLow)));
  settings.refuse_unknown();
}

/// Texts alone, and not many.
void read_source(const Json& json, const std::string& where, CacheCurve& curve) {
  const std::string place = where + ": source";
  JsonReader source(json, place);
  if (json.size() > kMostSourceWords) throw source.error(fmt::format("has more than {} words", kMostSourceWords));
  for (const auto& [key, value] : json.items()) {
    if (!value.is_string() || key.size() > kMostName || value.get_ref<const std::string&>().size() > kMostName)
      throw source.error(
          fmt::format("field '{}' must be a text of at most {} bytes", printable(key.substr(0, kMostName)), kMostName));
    curve.source.emplace_back(key, value.get<std::string>());
  }
}

std::string list_text(const std::vector<std::optional<double>>& values) {
  constexpr size_t kInLine = 10;
  std::string text = "[";
  for (size_t i = 0; i < values.size(); ++i)
    text += fmt::format("{}{}{}", i == 0 ? "" : ",", i % kInLine == 0 ? "\n   " : " ",
                        values[i] ? fmt::format("{:.5f}", *values[i]) : std::string("null"));
  return text + "\n  ]";
}

std::string json_text(std::string_view text) { return Json(text).dump(-1, ' ', true, Json::error_handler_t::replace); }

template <class T>
std::string or_null(const std::optional<T>& value) {
  return value ? fmt::format("{}", *value) : std::string("null");
}

}  // namespace

CacheCurve cache_curve_from_json(std::string_view text, const std::string& where) {
  require(text.size() <= kMostBytes,
          fmt::format("{}: has {} bytes; {} at most are read", where, text.size(), kMostBytes), ErrorKind::kInput);
  const Json json = parse_json(text, where);
  JsonReader document(json, where);
  check_schema(member(document, "schema"), where);
  CacheCurve curve;
  int steps = 0;
  for (const char* key : {"model", "from_image", "steps", "solver"}) member(document, key);
  document.read("model", curve.model);
  if (curve.model.empty() || curve.model.size() > kMostName)
    throw document.error(fmt::format("field 'model' must be a name of at most {} bytes", kMostName));
  document.read("from_image", curve.from_image);
  document.read("steps", steps, Bounds<int>{2, kMaxSteps});
  if (!member(document, "shift").is_null()) document.read("shift", curve.shift, kShift);
  document.read("solver", curve.solver);
  if (!member(document, "low_noise_from_step").is_null())
    document.read("low_noise_from_step", curve.low_noise_from_step, Bounds<int64_t>{0, steps});
  read_settings(member(document, "settings"), where, curve);
  const std::string place = where + ": ratios";
  JsonReader ratios(member(document, "ratios"), place);
  curve.ratios.cond = read_branch(ratios, "cond", static_cast<size_t>(steps), place);
  curve.ratios.uncond = read_branch(ratios, "uncond", static_cast<size_t>(steps), place);
  ratios.refuse_unknown();
  read_source(member(document, "source"), where, curve);
  curve.sha256 = sha256_hex(text);
  return curve;
}

CacheCurve read_cache_curve(const std::filesystem::path& file) {
  return cache_curve_from_json(read_text(file, kMostBytes), file.string());
}

std::string to_json(const CacheCurve& curve) {
  std::string experts;
  for (const std::string& name : curve.experts) experts += (experts.empty() ? "" : ", ") + json_text(name);
  std::string source;
  for (const auto& [key, value] : curve.source)
    source += fmt::format("{}\n  {}: {}", source.empty() ? "" : ",", json_text(key), json_text(value));
  return fmt::format(
      "{{\n \"schema\": {{\"name\": {}, \"major\": {}, \"minor\": {}}},\n \"model\": {},\n \"from_image\": {},\n"
      " \"steps\": {},\n \"shift\": {},\n \"solver\": {},\n \"low_noise_from_step\": {},\n"
      " \"settings\": {{\"threshold\": {}, \"max_skips\": {}, \"retention\": {}{}}},\n"
      " \"ratios\": {{\n  \"cond\": {},\n  \"uncond\": {}\n }},\n \"source\": {{{}\n }}\n}}\n",
      json_text(kCurveSchema), kCurveMajor, kCurveMinor, json_text(curve.model), curve.from_image, curve.ratios.steps(),
      or_null(curve.shift), json_text(enum_name(curve.solver)), or_null(curve.low_noise_from_step),
      curve.settings.threshold, curve.settings.max_skips, curve.settings.retention,
      experts.empty() ? "" : fmt::format(", \"experts\": [{}]", experts), list_text(curve.ratios.cond),
      list_text(curve.ratios.uncond), source);
}

std::optional<CacheCurve> builtin_curve(std::string_view model, bool from_image) {
  for (const BuiltinCurve& builtin : builtin_curves()) {
    CacheCurve curve = cache_curve_from_json(builtin.text, std::string(builtin.name));
    if (curve.model == model && curve.from_image == from_image) return curve;
  }
  return std::nullopt;
}

}  // namespace wan
