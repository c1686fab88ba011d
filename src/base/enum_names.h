// The word each value of an enum is written as, in files and on the command line: one table an enum, specialised beside
// it, and the ways to read it.
#pragma once

#include <array>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace wan {

/// Specialised with `kTable`, an array of pairs of value and word.
template <class E>
struct EnumNames;

template <class E>
concept NamedEnum = requires {
  EnumNames<E>::kTable;
};

template <NamedEnum E>
constexpr std::string_view enum_name(E value) {
  for (const auto& [key, word] : EnumNames<E>::kTable) {
    if (key == value) return word;
  }
  return "?";
}

/// Absent when it is none of the words.
template <NamedEnum E>
constexpr std::optional<E> enum_value(std::string_view wanted) {
  for (const auto& [key, word] : EnumNames<E>::kTable) {
    if (word == wanted) return key;
  }
  return std::nullopt;
}

/// All of them, in the table's order.
template <NamedEnum E>
std::vector<std::string> enum_words() {
  std::vector<std::string> all;
  for (const auto& [key, word] : EnumNames<E>::kTable) all.emplace_back(word);
  return all;
}

}  // namespace wan
