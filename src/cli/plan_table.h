// What fits in which memory: the published models at their usual sizes, against cards' and limits' sizes.
#pragma once

#include <vector>

#include "analysis/fit_table.h"

namespace wan::cli {

/// Planned for Hopper's kernels, with a host that holds everything; measured by the published records. Takes seconds:
/// reports read it from suites/memory_table.json.
std::vector<FitRow> plan_table();

/// Plans the videos that only the records at hand have, so far as they are of published models and not many.
void predict_own(std::vector<FitRow>& rows);

}  // namespace wan::cli
