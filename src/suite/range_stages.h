// Stages of a program that cannot be changed, cut by its NVTX ranges, as src/inject says them over the pipe.
#pragma once

#include <string>
#include <vector>

#include "suite/protocol.h"

namespace wan::suite {

/// Names the descriptor of the pipe to the injected library and to the Python shim; also in src/inject.
inline constexpr const char* kRangePipeVariable = "WANBENCH_RANGE_PIPE";

/// What NVTX reads the injected library's path from.
inline constexpr const char* kInjectionVariable = "NVTX_INJECTION64_PATH";

struct RangeStages {
  std::vector<StageSpan> spans;
  std::string left_out;  // why ranges are not among the spans; empty: none was left out
};

/// The outermost ranges of the thread whose ranges cover the most time are leaves, what nests in them their components.
/// Ranges that run beside a leaf (of other threads, or overlapping its end) are hidden parts of it. A name that comes
/// again is numbered: step, step#2. More than 1000 leaves are a trace and no stages: then there are no spans at all.
RangeStages stages_of_ranges(std::vector<Range> ranges);

}  // namespace wan::suite
