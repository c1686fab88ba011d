// Records as CSV: one row per stage, units in the header, an empty cell where there is no value.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "results/record.h"

namespace wan::report {

/// Whether the rows of work beside the stages, by far most of a table, are written.
enum class HiddenRows { kLeftOut, kWritten };

/// RFC 4180, comma-separated, with a header line; the columns are described in docs/formats.md. `left_out`: run id to
/// reason of runs that do not count although their record alone does not say so (select_valid in analysis/summary.h
/// compares runs of a group).
std::string to_csv(const std::vector<const RunRecord*>& records,
                   const std::map<std::string, std::string>& left_out = {}, HiddenRows hidden = HiddenRows::kLeftOut);

}  // namespace wan::report
