// Amounts of memory as a flag or a file gives them.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace wan {

struct MemorySize {
  uint64_t bytes = 0;

  /// The shortest of "12GiB", "16GB", "7680MiB", "100MB", "12345678B" that is read back to the byte.
  std::string text() const;
  bool operator==(const MemorySize&) const = default;
};

/// What memory_size takes, for messages.
inline constexpr std::string_view kMemorySizeWords =
    "an amount of memory from 1MiB to 1048576GiB such as 12GiB, 16GB or 12, which is GiB; units: GiB, GB, MiB, MB, B";

/// "12GiB", "16GB", "7.5" (GiB), in capitals or not, to whole bytes downwards; nothing for another text and beyond the
/// bounds.
std::optional<MemorySize> memory_size(std::string_view text);
/// Of a number in GiB.
std::optional<MemorySize> memory_size(double gib);

}  // namespace wan
