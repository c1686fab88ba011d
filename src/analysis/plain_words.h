// Verdicts, flags and endings of runs in the words of somebody who reads no statistics. One source for every report.
#pragma once

#include <string>
#include <string_view>

#include "analysis/compare.h"
#include "results/record.h"

namespace wan {

/// "faster", "slower", "equally fast", "too few runs to be sure" or "too close to say".
std::string plain_verdict(const RatioTest& test);

/// What a validity flag means, to go behind a number: "measured while other programs ran". A name without an entry
/// comes back with spaces.
std::string plain_flag(std::string_view name);
/// Whether the table of words has the flag.
bool has_plain_flag(std::string_view name);

/// "ran out of memory"
std::string plain_status(RunStatus status);

/// Of why a run does not count (Exclusion::reason), without its detail.
std::string plain_reason(std::string_view reason);

}  // namespace wan
