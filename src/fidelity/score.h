// A number with, where there is none, why.
#pragma once

#include <optional>
#include <string>
#include <utility>

namespace wan {

/// Absent is never 0 and never infinite.
struct Score {
  std::optional<double> value;
  std::string reason;  // empty when there is a value

  bool operator==(const Score&) const = default;
};

inline Score scored(double value) { return {value, {}}; }
inline Score no_score(std::string reason) { return {std::nullopt, std::move(reason)}; }

/// Of what is infinite because nothing differs.
inline constexpr const char* kIdentical = "identical";

}  // namespace wan
