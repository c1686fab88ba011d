// trace.json: one run in the Trace Event Format, which Perfetto and chrome://tracing open.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "results/record.h"
#include "results/samples.h"

namespace wan::report {

/// One process a run, one thread a row of its timeline (analysis/timeline.h), counters from its samples, by run id,
/// else from its stages' values. Times in microseconds from the start of each run. Failed runs end in an instant event
/// that says how.
std::string trace_json(const std::vector<const RunRecord*>& records,
                       const std::map<std::string, SampleSet>& samples = {});

}  // namespace wan::report
