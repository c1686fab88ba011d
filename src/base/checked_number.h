// Numbers as a file or a command line gives them, to the type that is kept: all of the text, in decimal, finite, whole
// where the type is, and within bounds; else nothing, and never another number.
#pragma once

#include <charconv>
#include <cmath>
#include <concepts>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include <fmt/format.h>

namespace wan {

template <class T>
concept Number =
    std::same_as<T, int> || std::same_as<T, int64_t> || std::same_as<T, uint64_t> || std::same_as<T, double>;

/// What a number may be; both ends belong to it.
template <Number T>
struct Bounds {
  T least = std::numeric_limits<T>::lowest();
  T most = std::numeric_limits<T>::max();

  bool hold(T value) const { return value >= least && value <= most; }
};

/// Every number above 0: from the smallest there is.
inline constexpr Bounds<double> kAboveZero{std::numeric_limits<double>::denorm_min()};

/// "5", "-1.5e3"; not "+5", "0x10", "5 ", "inf".
template <Number T>
std::optional<T> checked_number(std::string_view text, const Bounds<T>& bounds = {}) {
  T value{};
  const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (failure != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  if constexpr (std::floating_point<T>)
    if (!std::isfinite(value)) return std::nullopt;
  return bounds.hold(value) ? std::optional<T>(value) : std::nullopt;
}

/// From a whole number that was read as the widest type.
template <Number T, class From>
requires std::same_as<From, int64_t> || std::same_as<From, uint64_t> std::optional<T> checked_number(
    From value, const Bounds<T>& bounds = {}) {
  if constexpr (std::integral<T>)
    if (!std::in_range<T>(value)) return std::nullopt;
  const auto kept = static_cast<T>(value);
  return bounds.hold(kept) ? std::optional<T>(kept) : std::nullopt;
}

/// From a number with a fraction, which is never taken for a whole one.
inline std::optional<double> checked_number(double value, const Bounds<double>& bounds = {}) {
  return std::isfinite(value) && bounds.hold(value) ? std::optional<double>(value) : std::nullopt;
}

/// "a whole number from 1 to 1000", "a number above 0", for messages.
template <Number T>
std::string describe(const Bounds<T>& bounds) {
  const Bounds<T> any;
  const char* number = std::integral<T> ? "a whole number" : "a number";
  if (bounds.least == std::numeric_limits<T>::denorm_min() && std::floating_point<T>) return "a number above 0";
  if (bounds.least == any.least && bounds.most == any.most && std::signed_integral<T>) return number;
  if (bounds.least == any.least && bounds.most == any.most && std::floating_point<T>) return number;
  return fmt::format("{} from {} to {}", number, bounds.least, bounds.most);
}

}  // namespace wan
