// The stages of a program that cannot be changed, by the best of what it gave: the Python shim's spans, NVTX ranges,
// its log.
#pragma once

#include <string>

#include "suite/log_stages.h"
#include "suite/watch.h"

namespace wan::suite {

/// Leaves the stages in the spans of the last video and returns the name of their source: shim, nvtx, log, or total
/// where there are none. `why_no_injection` is kept among the facts; empty: ranges were watched.
std::string cut_command(Watched& watched, const LogStages& log, const std::string& why_no_injection);

}  // namespace wan::suite
