#include "base/duration.h"

#include <cstdint>

#include <fmt/format.h>

namespace wan {

std::string duration_text(double seconds) {
  constexpr double kLongest = 1e15;  // what an int64_t of seconds holds with ease
  if (seconds < 60) return fmt::format("{:.1f} s", seconds);
  const auto whole = static_cast<int64_t>(seconds < kLongest ? seconds : kLongest);
  if (whole < 3600) return fmt::format("{}:{:02} min", whole / 60, whole % 60);
  return fmt::format("{}:{:02} h", whole / 3600, whole / 60 % 60);
}

}  // namespace wan
