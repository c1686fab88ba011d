// What the engine decided for one run: from its plan to the record, and back into the requests of the case's other
// runs.
#pragma once

#include "pipeline/plan.h"
#include "pipeline/request.h"
#include "results/execution.h"

namespace wan::suite {

/// "fp32", "bf16": as options, workloads and executions write it.
std::string_view precision_word(DType type);

/// The plan's decisions in the words of a record. The environment is not the plan's.
Execution execution_of(const Plan& plan);

/// The word of `--offload` that asks for a residency: none, stream or mapped; empty for a residency this program does
/// not know.
std::string_view offload_word(const Execution& execution);

/// Asks for what was decided where the request left it open or to memory: residency and the decoder's pieces. So all
/// runs of a case are made alike, whatever memory is free when each begins.
void ask_for(Request& request, const Execution& execution);

}  // namespace wan::suite
