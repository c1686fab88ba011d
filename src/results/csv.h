// Records as CSV: one row per stage, units in the header, an empty cell where there is no value.
#pragma once

#include <string>
#include <vector>

#include "results/record.h"

namespace wan {

/// RFC 4180, comma-separated, with a header line.
std::string to_csv(const std::vector<const RunRecord*>& records);

}  // namespace wan
