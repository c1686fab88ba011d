// When the requests of an open load are to be sent: decided before the first one, by nothing that the server does.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <vector>

namespace wan::load {

/// How much is sent after the warm-up: whichever comes first. At least one of them.
struct LoadLength {
  std::optional<int64_t> requests;
  std::optional<double> duration_s;
};

/// Seconds since the level's begin of a Poisson process of `rate` a second: the same for the same seed, and with
/// another rate the same in other units. `warm_up` arrivals come first, and the length counts from the last of them.
/// Throws Error(kUsage) for more than kMostLoadRequests.
std::vector<double> poisson_arrivals(double rate, uint64_t seed, int64_t warm_up, const LoadLength& length);

/// A file with a time in seconds a line, in order; blank lines and lines that begin with # are passed over. The first
/// request is sent at once, the others as far behind it as they are in the file. Throws Error(kInput) naming file and
/// line.
std::vector<double> trace_arrivals(const std::filesystem::path& file);

}  // namespace wan::load
