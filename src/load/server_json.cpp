#include "load/server_json.h"

#include <algorithm>

#include <fmt/format.h>

#include "base/error.h"
#include "base/json_number.h"
#include "base/json_parse.h"

namespace wan::load {

using Json = nlohmann::json;

namespace {
constexpr size_t kMostText = 200;
constexpr Bounds<double> kAmounts{0, 1e9};  // what load.json takes of seconds; of joules and prices too
}  // namespace

const Json& member(const Json& object, std::string_view key) {
  static const Json kNull;
  if (!object.is_object()) return kNull;
  const auto found = object.find(std::string(key));
  return found == object.end() ? kNull : *found;
}

std::string text_in(const Json& object, std::string_view key) {
  const Json& found = member(object, key);
  if (!found.is_string()) return "";
  std::string text = found.get<std::string>().substr(0, kMostText);
  std::ranges::replace_if(
      text, [](unsigned char c) { return c < ' ' || c > '~'; }, '?');
  return text;
}

std::optional<double> number_in(const Json& object, std::string_view key) {
  return json_number(member(object, key), kAmounts);
}

Json object_of(const std::string& body) {
  Json json = parse_json(body, "the server's answer");
  require(json.is_object(), "the server's answer is no object");
  return json;
}

std::string id_in(const Json& object, std::string_view key) {
  const Json& found = member(object, key);
  const std::string id = found.is_string() ? found.get<std::string>() : "";
  const bool is_plain =
      !id.empty() && id.front() != '.' && id.size() <= kMostText && std::ranges::all_of(id, [](unsigned char c) {
        return std::isalnum(c) != 0 || c == '-' || c == '_' || c == '.' || c == ':';
      });
  require(is_plain, fmt::format("the server's answer has no '{}' that could stand in a path", key));
  return id;
}

}  // namespace wan::load
