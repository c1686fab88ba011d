// What a record says that cannot be, or not beside what else it says.
#pragma once

#include <string>
#include <vector>

#include "results/record.h"

namespace wan {

/// Each as a sentence for people; empty: none. A record with any is shown and named, and enters no estimate. An
/// imported record is judged less: what its source's own numbers contradict is among its findings.
std::vector<std::string> contradictions(const RunRecord& record);

}  // namespace wan
