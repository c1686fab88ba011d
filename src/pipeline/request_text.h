// Options of a request as text: for placeholders, the mp4's comment, and the command line's help.
#pragma once

#include <concepts>
#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/checked_number.h"
#include "base/enum_names.h"
#include "base/memory_size.h"
#include "pipeline/request.h"

namespace wan {

/// Whether a member says something: not what is left to the model, the machine or nobody. Choices and the seed always
/// do.
template <class T>
bool is_given(const T& member) {
  if constexpr (NamedEnum<T> || std::same_as<T, uint64_t>)
    return true;
  else if constexpr (std::same_as<T, bool> || std::integral<T>)
    return member != T{};
  else if constexpr (requires { member.has_value(); })
    return member.has_value();
  else
    return !member.empty();
}

/// Numbers as short as they can be read back, choices as their words, nothing where nothing is given; 0 is "0"; a
/// list's texts with commas between them.
template <class T>
std::string text_of(const T& member) {
  if constexpr (NamedEnum<T>)
    return std::string(enum_name(member));
  else if constexpr (std::same_as<T, MemorySize>)
    return member.text();
  else if constexpr (std::same_as<T, std::filesystem::path>)
    return member.string();
  else if constexpr (std::same_as<T, std::string>)
    return member;
  else if constexpr (std::same_as<T, std::vector<std::string>>)
    return fmt::format("{}", fmt::join(member, ", "));
  else if constexpr (requires { member.has_value(); })
    return member ? text_of(*member) : std::string();
  else
    return fmt::format("{}", member);
}

/// The same request with the official recipe and its solver named where it names none.
Request with_recipe_named(Request request);

/// Of every option that a suite may have, by its key; guidance in both spellings, the official recipe by its name.
std::map<std::string, std::string> texts_of_case(const Request& request);

/// Of those that stand in the mp4's comment and are given, by their keys.
std::map<std::string, std::string> texts_of_video(const Request& request);

}  // namespace wan
