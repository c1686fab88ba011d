// trace.json: one run in the Trace Event Format, which Perfetto and chrome://tracing open.
#pragma once

#include <string>
#include <vector>

#include "report/beside.h"
#include "results/record.h"

namespace wan::report {

/// One process a run, one thread a row of its timeline (analysis/timeline.h), one for what happened at once (swaps of
/// the expert, throttling, flags, how a failed run ended), and of a run whose kernels are given one a CUDA stream and a
/// host thread with arrows from launches to kernels. Counters from the run's samples, else from its stages' values; a
/// counter falls to 0 where nothing was measured. Times in microseconds from the start of each run. docs/formats.md
/// says what is in it and what is not.
std::string trace_json(const std::vector<const RunRecord*>& records, const Beside& beside = {});

}  // namespace wan::report
