// The command that repeats a case's runs.
#pragma once

#include <string>

#include "analysis/summary.h"

namespace wan {

/// "wanbench run --suite suites/seed.json --case 01_Speed_Preview --checkpoint CHECKPOINT ... --output NEW_FOLDER":
/// from what the records know. Words in capitals are the reader's to fill in. Empty where the runs were not made by
/// `wanbench run` with its own engine.
std::string repeat_command(const CaseSummary& summary);

}  // namespace wan
