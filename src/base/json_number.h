// Numbers out of a JSON value that was parsed already: whole where the type is, within bounds, never converted.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "base/checked_number.h"
#include "base/error.h"

namespace wan {

/// Times of a run in nanoseconds, 73 years either way: the sum or difference of two does not overflow.
inline constexpr int64_t kMostNs = int64_t{1} << 61;
inline constexpr Bounds<int64_t> kTimes{-kMostNs, kMostNs};

/// Nothing where the value is no number, not within the bounds, or has a fraction that T has not.
template <Number T>
std::optional<T> json_number(const nlohmann::json& found, const Bounds<T>& bounds = {}) {
  if (found.is_number_unsigned()) return checked_number(found.get<uint64_t>(), bounds);
  if (found.is_number_integer()) return checked_number(found.get<int64_t>(), bounds);
  if constexpr (std::floating_point<T>)
    if (found.is_number_float()) return checked_number(found.get<double>(), bounds);
  return std::nullopt;
}

/// A list of such numbers. Throws Error(kInput) beginning with `where` for anything else.
template <Number T>
std::vector<T> json_numbers(const nlohmann::json& list, std::string_view where, const Bounds<T>& bounds = {}) {
  require(list.is_array(), fmt::format("{}: expected a list of numbers", where), ErrorKind::kInput);
  std::vector<T> out;
  out.reserve(list.size());
  for (const nlohmann::json& cell : list) {
    const std::optional<T> value = json_number(cell, bounds);
    if (!value)
      throw Error(ErrorKind::kInput,
                  fmt::format("{}: element {} must be {}, found {}", where, out.size(), describe(bounds),
                              cell.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace)));
    out.push_back(*value);
  }
  return out;
}

}  // namespace wan
