// A value that may be missing, with where it came from.
#pragma once

#include <optional>
#include <string>
#include <utility>

namespace wan {

/// A value with where it came from. Absent is never 0: `value` is empty and `reason` says why.
template <class T>
struct Measured {
  std::optional<T> value;
  std::string reason;  // why there is no value; empty when there is one
  std::string source;  // "clock", "cuda_event", "nvml", "proc", "cgroup", "engine", "imported", ...

  bool has() const { return value.has_value(); }
  bool operator==(const Measured&) const = default;
};

template <class T>
Measured<T> measured(T value, std::string source) {
  return {std::move(value), {}, std::move(source)};
}

template <class T>
Measured<T> absent(std::string reason) {
  return {std::nullopt, std::move(reason), {}};
}

}  // namespace wan
