// Members of what servers answer: theirs to choose, so what is absent or of another kind is nothing.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include <nlohmann/json.hpp>

namespace wan::load {

/// The member, or null.
const nlohmann::json& member(const nlohmann::json& object, std::string_view key);

/// A text of at most 200 bytes of what is printable; empty where there is none.
std::string text_in(const nlohmann::json& object, std::string_view key);

/// Not negative and finite.
std::optional<double> number_in(const nlohmann::json& object, std::string_view key);

/// An object. Throws Error(kInput) for anything else.
nlohmann::json object_of(const std::string& body);

/// The member as a text that may stand in a path. Throws Error(kInput) where it is none.
std::string id_in(const nlohmann::json& object, std::string_view key);

}  // namespace wan::load
