// Suite files and requests as text: JSON through nlohmann, TOML through toml++, one reader for both.
#include <algorithm>
#include <set>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <toml++/toml.h>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/file.h"
#include "suite/case.h"
#include "suite/request_fields.h"

namespace wan::suite {
namespace {

using Json = nlohmann::json;

Error input_error(const std::string& where, const std::string& what) {
  return Error(ErrorKind::kInput, where + ": " + what);
}

/// Reads the members of one object and remembers which keys it knew.
class Reader {
 public:
  Reader(const Json& object, std::string where) : object_(object), where_(std::move(where)) {
    if (!object_.is_object()) throw input_error(where_, "must be an object with named fields");
  }

  template <class T>
  void operator()(const char* key, T& member) {
    known_.insert(key);
    const auto found = object_.find(key);
    if (found != object_.end()) assign(key, *found, member);
  }
  template <class E, size_t N>
  void operator()(const char* key, E& member, const std::array<std::pair<E, std::string_view>, N>& words) {
    known_.insert(key);
    const auto found = object_.find(key);
    if (found != object_.end()) member = enum_from(key, *found, words);
  }
  template <class E, size_t N>
  void operator()(const char* key, std::optional<E>& member,
                  const std::array<std::pair<E, std::string_view>, N>& words) {
    known_.insert(key);
    const auto found = object_.find(key);
    if (found != object_.end()) member = enum_from(key, *found, words);
  }

  void refuse_unknown() const {
    for (const auto& [key, value] : object_.items()) {
      if (known_.contains(key)) continue;
      std::string names;
      for (const std::string& name : known_) names += (names.empty() ? "" : ", ") + name;
      throw input_error(where_, fmt::format("unknown field '{}'; known fields: {}", key, names));
    }
  }

 private:
  Error wrong(const char* key, const char* expected, const Json& found) const {
    return input_error(where_, fmt::format("field '{}' must be {}, found {}", key, expected, found.dump()));
  }
  void assign(const char* key, const Json& value, std::string& member) const {
    if (!value.is_string()) throw wrong(key, "text", value);
    member = value;
  }
  void assign(const char* key, const Json& value, std::filesystem::path& member) const {
    if (!value.is_string()) throw wrong(key, "a path", value);
    member = value.get<std::string>();
  }
  void assign(const char* key, const Json& value, bool& member) const {
    if (!value.is_boolean()) throw wrong(key, "true or false", value);
    member = value;
  }
  void assign(const char* key, const Json& value, int64_t& member) const {
    if (!value.is_number_integer()) throw wrong(key, "a whole number", value);
    member = value;
  }
  void assign(const char* key, const Json& value, int& member) const {
    if (!value.is_number_integer()) throw wrong(key, "a whole number", value);
    member = value;
  }
  void assign(const char* key, const Json& value, uint64_t& member) const {
    if (!value.is_number_unsigned()) throw wrong(key, "a whole number from 0", value);
    member = value;
  }
  void assign(const char* key, const Json& value, std::optional<double>& member) const {
    if (!value.is_number()) throw wrong(key, "a number", value);
    member = value.get<double>();
  }
  void assign(const char* key, const Json& value, std::vector<std::string>& member) const {
    if (!value.is_array() || !std::all_of(value.begin(), value.end(), [](const Json& v) { return v.is_string(); }))
      throw wrong(key, "a list of texts", value);
    member = value.get<std::vector<std::string>>();
  }
  void assign(const char*, const Json& value, Json& member) const { member = value; }

  template <class E, size_t N>
  E enum_from(const char* key, const Json& value, const std::array<std::pair<E, std::string_view>, N>& words) const {
    const auto found = value.is_string() ? value_of(words, value.get_ref<const std::string&>()) : std::nullopt;
    if (!found) throw wrong(key, fmt::format("one of {}", fmt::join(list_of(words), ", ")).c_str(), value);
    return *found;
  }

  const Json& object_;
  std::string where_;
  std::set<std::string> known_;
};

/// Writes the members that are set, so that adding a field later changes no old text; enums and the seed always.
class Writer {
 public:
  template <class T>
  void operator()(const char* key, const T& member) {
    put(key, member);
  }
  template <class E, size_t N>
  void operator()(const char* key, const E& member, const std::array<std::pair<E, std::string_view>, N>& words) {
    json[key] = word_of(words, member);
  }
  template <class E, size_t N>
  void operator()(const char* key, const std::optional<E>& member,
                  const std::array<std::pair<E, std::string_view>, N>& words) {
    if (member) json[key] = word_of(words, *member);
  }
  Json json = Json::object();

 private:
  void put(const char* key, const std::string& member) {
    if (!member.empty()) json[key] = member;
  }
  void put(const char* key, const std::filesystem::path& member) {
    if (!member.empty()) json[key] = member.string();
  }
  void put(const char* key, bool member) {
    if (member) json[key] = true;
  }
  void put(const char* key, int64_t member) {
    if (member != 0) json[key] = member;
  }
  void put(const char* key, int member) { put(key, int64_t{member}); }
  void put(const char* key, uint64_t member) { json[key] = member; }
  void put(const char* key, const std::optional<double>& member) {
    if (member) json[key] = *member;
  }
};

Json from_toml(const toml::node& node) {
  if (const auto* table = node.as_table()) {
    Json object = Json::object();
    for (const auto& [key, value] : *table) object[std::string(key.str())] = from_toml(value);
    return object;
  }
  if (const auto* array = node.as_array()) {
    Json list = Json::array();
    for (const auto& value : *array) list.push_back(from_toml(value));
    return list;
  }
  if (const auto value = node.value_exact<bool>()) return *value;
  if (const auto value = node.value_exact<int64_t>())
    return *value >= 0 ? Json(static_cast<uint64_t>(*value)) : Json(*value);
  if (const auto value = node.value_exact<double>()) return *value;
  if (const auto value = node.value_exact<std::string>()) return *value;
  throw Error(ErrorKind::kInput, fmt::format("line {}: dates have no place in a suite", node.source().begin.line));
}

Json parse_text(const std::string& text, const std::filesystem::path& file) {
  try {
    if (file.extension() == ".toml") return from_toml(toml::parse(text));
    return Json::parse(text, nullptr, true, /*ignore_comments=*/true);
  } catch (const toml::parse_error& failure) {
    throw input_error(file.string(),
                      fmt::format("line {}: {}", failure.source().begin.line, std::string(failure.description())));
  } catch (const Json::exception& failure) {
    throw input_error(file.string(), failure.what());
  }
}

Case read_case(const Json& defaults, const Json& json, const std::string& where) {
  if (!json.is_object()) throw input_error(where, "a case must be an object with named fields");
  Json merged = defaults.is_null() ? Json::object() : defaults;
  if (!merged.is_object()) throw input_error(where, "'defaults' must be an object with named fields");
  merged.update(json);
  Case result;
  Reader read(merged, where);
  read("name", result.name);
  read("aliases", result.aliases);
  read("notes", result.notes);
  request_fields(read, result.request);
  read.refuse_unknown();
  if (result.name.empty()) throw input_error(where, "a case needs a 'name'");
  for (const auto& path : {result.request.output, result.request.frames, result.request.dump})
    if (!path.empty()) throw input_error(where, "'output', 'frames' and 'dump' are chosen by the run, not by a suite");
  const std::string allowed = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.+";
  if (result.name.find_first_not_of(allowed) != std::string::npos || result.name.front() == '.')
    throw input_error(where, fmt::format("the name '{}' names files: letters, digits, _ - . + only", result.name));
  return result;
}

}  // namespace

Suite parse_suite(const std::string& text, const std::filesystem::path& file) {
  const Json json = parse_text(text, file);
  Suite suite;
  std::string schema;
  int format = 0;
  Json defaults, cases;
  Reader read(json, file.string());
  read("schema", schema);
  read("format", format);
  read("name", suite.name);
  read("version", suite.version);
  read("defaults", defaults);
  read("cases", cases);
  std::string notes;
  read("notes", notes);
  read.refuse_unknown();
  if (schema != "wanbench.suite") throw input_error(file.string(), "'schema' must be \"wanbench.suite\"");
  if (format != kSuiteFormat)
    throw input_error(file.string(), fmt::format("'format' is {}, this program reads {}", format, kSuiteFormat));
  if (suite.name.empty()) throw input_error(file.string(), "a suite needs a 'name'");
  if (!cases.is_array() || cases.empty()) throw input_error(file.string(), "'cases' must be a list with a case in it");
  std::set<std::string> names;
  for (size_t i = 0; i < cases.size(); ++i) {
    const std::string name = cases[i].is_object() ? cases[i].value("name", std::string()) : std::string();
    suite.cases.push_back(read_case(defaults, cases[i], fmt::format("{}: case {} '{}'", file.string(), i + 1, name)));
    if (!names.insert(suite.cases.back().name).second)
      throw input_error(file.string(), fmt::format("two cases are named '{}'", suite.cases.back().name));
  }
  return suite;
}

Suite read_suite(const std::filesystem::path& file) {
  Suite suite = parse_suite(read_text(file), file);
  const auto absolute = [&](std::filesystem::path& path) {
    if (!path.empty() && path.is_relative()) path = file.parent_path() / path;
  };
  for (Case& c : suite.cases) {
    absolute(c.request.checkpoint);
    absolute(c.request.image);
    absolute(c.request.initial_latent);
    absolute(c.request.tuning_table);
  }
  return suite;
}

std::string request_json(const Request& request) {
  Writer write;
  request_fields(write, request);
  return write.json.dump();
}

Request request_from_json(const std::string& text) {
  Request request;
  const Json json = parse_text(text, "request");
  Reader read(json, "request");
  request_fields(read, request);
  read.refuse_unknown();
  return request;
}

}  // namespace wan::suite
