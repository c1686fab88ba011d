// Reads the members of one JSON object into plain values: an absent member leaves its value alone, a wrong one is an
// error that names it, and so is one that nobody asked for.
#pragma once

#include <filesystem>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include "base/checked_number.h"
#include "base/enum_names.h"
#include "base/error.h"
#include "base/json_number.h"
#include "base/memory_size.h"

namespace wan {

class JsonReader {
 public:
  /// `where` begins every message: a file, a case. `object` must outlive the reader. Throws Error(kInput) when it is
  /// none.
  JsonReader(const nlohmann::json& object, std::string where);

  /// All throw Error(kInput) when the member is of another kind or not within `bounds`.
  void read(std::string_view key, std::string& value);
  void read(std::string_view key, std::filesystem::path& value);
  void read(std::string_view key, bool& value);
  void read(std::string_view key, std::vector<std::string>& value);
  /// A text, or a number in GiB.
  void read(std::string_view key, std::optional<MemorySize>& value);
  void read(std::string_view key, nlohmann::json& value);
  template <Number T>
  void read(std::string_view key, T& value, const Bounds<T>& bounds = {}) {
    if (const nlohmann::json* found = find(key)) value = number(key, *found, bounds);
  }
  template <Number T>
  void read(std::string_view key, std::optional<T>& value, const Bounds<T>& bounds = {}) {
    if (const nlohmann::json* found = find(key)) value = number(key, *found, bounds);
  }
  template <NamedEnum E>
  void read(std::string_view key, E& value) {
    if (const nlohmann::json* found = find(key)) value = named<E>(key, *found);
  }
  template <NamedEnum E>
  void read(std::string_view key, std::optional<E>& value) {
    if (const nlohmann::json* found = find(key)) value = named<E>(key, *found);
  }

  /// The member, or nullptr; either way it counts as asked for.
  const nlohmann::json* find(std::string_view key);
  /// "s.json: case 1 'a': field 'steps' must be a whole number from 1 to 1000, found -5".
  Error wrong(std::string_view key, std::string_view expected, const nlohmann::json& found) const;
  /// An error about the object as a whole.
  Error error(std::string_view what) const;
  /// Throws Error(kInput) that lists what was asked for, when there is another member.
  void refuse_unknown() const;

 private:
  template <Number T>
  T number(std::string_view key, const nlohmann::json& found, const Bounds<T>& bounds) const {
    const std::optional<T> value = json_number(found, bounds);
    if (!value) throw wrong(key, describe(bounds), found);
    return *value;
  }
  template <NamedEnum E>
  E named(std::string_view key, const nlohmann::json& found) const {
    const auto value = found.is_string() ? enum_value<E>(found.get_ref<const std::string&>()) : std::nullopt;
    if (!value) throw wrong(key, fmt::format("one of {}", fmt::join(enum_words<E>(), ", ")), found);
    return *value;
  }

  const nlohmann::json& object_;
  std::string where_;
  std::set<std::string, std::less<>> known_;
};

}  // namespace wan
