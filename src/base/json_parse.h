// The one door for JSON texts: what they may nest is bounded while they are read, since much that walks a value later
// (writing it again, showing it in a message) calls itself once a level.
#pragma once

#include <string>
#include <string_view>

#include <nlohmann/json.hpp>

namespace wan {

/// Arrays and objects within one another. Records have ten.
inline constexpr int kMostJsonDepth = 64;

enum class JsonComments { kRefused, kIgnored };

/// Throws Error(kInput) beginning with `where` when the text is not JSON or nests deeper than kMostJsonDepth. Of
/// members of one name the last stays. A byte order mark is passed over.
nlohmann::json parse_json(std::string_view text, const std::string& where,
                          JsonComments comments = JsonComments::kRefused);

/// The same, handing each value to `events`; an event that returns false ends it, and false is returned.
bool parse_json(std::string_view text, const std::string& where, nlohmann::json_sax<nlohmann::json>& events,
                JsonComments comments = JsonComments::kRefused);

}  // namespace wan
