// JSON through nlohmann, TOML through toml++, one reader for both.
#include "suite/suite_json.h"

#include <type_traits>

#include <fmt/format.h>
#include <toml++/toml.h>

#include "base/error.h"
#include "base/json_parse.h"
#include "base/json_reader.h"
#include "pipeline/request_json.h"
#include "pipeline/request_options.h"
#include "pipeline/request_text.h"

namespace wan::suite {
namespace {

using Json = nlohmann::json;

Error input_error(const std::string& where, const std::string& what) {
  return Error(ErrorKind::kInput, where + ": " + what);
}

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

}  // namespace

Json suite_json(const std::string& text, const std::filesystem::path& file) {
  try {
    if (file.extension() == ".toml") return from_toml(toml::parse(text));
    return parse_json(text, file.string(), JsonComments::kIgnored);
  } catch (const toml::parse_error& failure) {
    throw input_error(file.string(),
                      fmt::format("line {}: {}", failure.source().begin.line, std::string(failure.description())));
  }
}

/// "s.json: case 1 'a'", for messages; a name that is no text is left out.
std::string where_of(const Json& json, const std::filesystem::path& file, size_t number) {
  const auto name = json.is_object() ? json.find("name") : json.end();
  if (name == json.end() || !name->is_string()) return fmt::format("{}: case {}", file.string(), number);
  return fmt::format("{}: case {} '{}'", file.string(), number, name->get_ref<const std::string&>());
}

void check_case_name(const std::string& name, const std::string& where) {
  const std::string allowed = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.+";
  if (name.find_first_not_of(allowed) != std::string::npos || name.starts_with('.'))
    throw input_error(where, fmt::format("the name '{}' names files: letters, digits, _ - . + only", name));
}

Case read_case(const Json& defaults, const Json& json, const std::string& where) {
  if (!json.is_object()) throw input_error(where, "a case must be an object with named fields");
  Json merged = defaults.is_null() ? Json::object() : defaults;
  if (!merged.is_object()) throw input_error(where, "'defaults' must be an object with named fields");
  merged.update(json);
  Case result;
  JsonReader reader(merged, where);
  reader.read("name", result.name);
  reader.read("aliases", result.aliases);
  reader.read("notes", result.notes);
  read_request(reader, result.request);
  reader.refuse_unknown();
  if (result.name.empty()) throw input_error(where, "a case needs a 'name'");
  request_options(
      [&](const Option& option, const auto& member, const auto&) {
        if (option.is_output() && is_given(member))
          throw input_error(where, fmt::format("'{}' is chosen by the run, not by a suite", option.key));
      },
      result.request);
  check_case_name(result.name, where);
  return result;
}

void resolve_paths(Request& request, const std::filesystem::path& folder) {
  request_options([&](const Option&, auto& member, const auto&) { place_in(folder, member); }, request);
}

}  // namespace wan::suite
