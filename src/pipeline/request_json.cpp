#include "pipeline/request_json.h"

#include <concepts>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "base/json_parse.h"
#include "base/json_reader.h"
#include "pipeline/guidance.h"
#include "pipeline/request_options.h"
#include "pipeline/request_text.h"

namespace wan {
namespace {

using Json = nlohmann::json;

template <class T>
Json json_of(const T& member) {
  if constexpr (NamedEnum<T> || std::same_as<T, std::filesystem::path> || std::same_as<T, MemorySize>)
    return text_of(member);
  else if constexpr (requires { member.has_value(); })
    return json_of(*member);
  else
    return member;
}

constexpr auto kAll = [](const Option&) { return true; };

/// What is given of the options for which `wanted` holds.
template <class Wanted>
Json given(const Request& request, const Wanted& wanted) {
  Json json = Json::object();
  request_options(
      [&](const Option& option, const auto& member, const auto&) {
        if (wanted(option) && is_given(member)) json[std::string(option.key)] = json_of(member);
      },
      request);
  return json;
}

struct Read {
  JsonReader& reader;

  template <class T>
  void operator()(const Option& option, T& member, const Anything&) const {
    reader.read(option.key, member);
  }
  template <class T, Number N>
  void operator()(const Option& option, T& member, const Bounds<N>& bounds) const {
    if constexpr (std::signed_integral<T>) {
      const Json* found = reader.find(option.key);
      if (found != nullptr && found->is_number_integer() && *found == 0) {  // the model's own
        member = 0;
        return;
      }
    }
    reader.read(option.key, member, bounds);
  }
  template <class T>
  void operator()(const Option& option, T& member, const OneOf&) const {
    reader.read(option.key, member);
  }
};

}  // namespace

std::string request_json(const Request& request) { return given(request, kAll).dump(); }

std::string shown_request_json(const Request& request) {
  return given(request, kAll).dump(-1, ' ', false, Json::error_handler_t::replace);
}

std::string video_request_json(const Request& request) {
  const auto in_video = [](const Option& option) { return option.in_video(); };
  return given(request, in_video).dump(-1, ' ', false, Json::error_handler_t::replace);
}

void read_request(JsonReader& reader, Request& request) {
  request_options(Read{reader}, request);
  if (mixes_spellings(request)) throw reader.error(kMixedSpellings);
}

void read_video_request(JsonReader& reader, Request& request) {
  request_options(
      [&](const Option& option, auto& member, const auto& limit) {
        if (option.in_video()) Read{reader}(option, member, limit);
      },
      request);
}

Request request_from_json(const std::string& text) {
  const Json json = parse_json(text, "request", JsonComments::kIgnored);
  Request request;
  JsonReader reader(json, "request");
  read_request(reader, request);
  reader.refuse_unknown();
  return request;
}

}  // namespace wan
