#include "report/json_text.h"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace wan::report {

std::string json_string(std::string_view text) {
  const bool plain = std::all_of(text.begin(), text.end(),
                                 [](unsigned char c) { return c >= 0x20 && c < 0x7f && c != '"' && c != '\\'; });
  if (plain) return fmt::format("\"{}\"", text);
  return nlohmann::json(text).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

std::string short_number(double value) { return std::isfinite(value) ? fmt::format("{:.12g}", value) : "null"; }

JsonText& JsonText::put(std::string_view key, std::string_view json) {
  fmt::format_to(std::back_inserter(members_), "{}{}:{}", members_.empty() ? "" : ",", json_string(key), json);
  return *this;
}

JsonText& JsonText::add(std::string_view key, const std::vector<std::string>& values) {
  std::string list;
  for (const std::string& value : values) list += (list.empty() ? "" : ",") + json_string(value);
  return put(key, "[" + list + "]");
}

}  // namespace wan::report
