// Numbers of the command line: the one conversion for all of them (base/checked_number.h), never CLI11's own, which
// takes 010 as eight, nan as within any range and -1 as the largest unsigned number.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <fmt/format.h>

#include <CLI/CLI.hpp>

#include "base/checked_number.h"
#include "base/error.h"
#include "base/memory_size.h"

namespace wan::cli {

inline constexpr Bounds<double> kSecondsOrNone{0, 1e9};  // 31 years, which nanoseconds in 64 bits hold
inline constexpr Bounds<double> kPercent{0, 1000};

/// Throws Error(kUsage) that names the flag, the text and what was expected.
template <Number T>
T number(std::string_view text, std::string_view flag, const Bounds<T>& bounds) {
  const auto value = checked_number(text, bounds);
  require(value.has_value(), fmt::format("{}: '{}' is not {}", flag, text, describe(bounds)), ErrorKind::kUsage);
  return *value;
}

/// Throws Error(kUsage) likewise.
inline MemorySize memory_size_of(std::string_view text, std::string_view flag) {
  const std::optional<MemorySize> size = memory_size(text);
  require(size.has_value(), fmt::format("{}: '{}' is not {}", flag, text, kMemorySizeWords), ErrorKind::kUsage);
  return *size;
}

/// Adds `flag`, whose number within `bounds` goes to `member`; what it may be is put behind the help.
template <Number T>
CLI::Option* add_number(CLI::App& command, const std::string& flag, T& member, const Bounds<T>& bounds,
                        const std::string& help) {
  return command
      .add_option_function<std::string>(
          flag, [&member, flag, bounds](const std::string& text) { member = number(text, flag, bounds); },
          fmt::format("{} ({})", help, describe(bounds)))
      ->default_str(fmt::format("{}", member));
}

/// The same for one that may be left out.
template <Number T>
CLI::Option* add_number(CLI::App& command, const std::string& flag, std::optional<T>& member, const Bounds<T>& bounds,
                        const std::string& help) {
  return command.add_option_function<std::string>(
      flag, [&member, flag, bounds](const std::string& text) { member = number(text, flag, bounds); },
      fmt::format("{} ({})", help, describe(bounds)));
}

/// The same for several.
template <Number T>
CLI::Option* add_numbers(CLI::App& command, const std::string& flag, std::vector<T>& member, const Bounds<T>& bounds,
                         const std::string& help) {
  return command.add_option_function<std::vector<std::string>>(
      flag,
      [&member, flag, bounds](const std::vector<std::string>& texts) {
        member.clear();
        for (const std::string& text : texts) member.push_back(number(text, flag, bounds));
      },
      fmt::format("{} ({} each)", help, describe(bounds)));
}

}  // namespace wan::cli
