// What the engine decided for one run: from its decisions to the record, and back into the requests of the case's other
// runs.
#pragma once

#include <map>
#include <string>
#include <string_view>

#include "pipeline/decisions.h"
#include "results/execution.h"
#include "results/record.h"

namespace wan::suite {

/// Component -> "fp32" or "bf16": as options, workloads and executions write what it computes in.
std::map<std::string, std::string> computed_words(const Decisions& decisions);

/// By construction: altered where forwards are reused, or may be; exact where DiT and VAE compute in fp32.
PrecisionClass precision_class(const Decisions& decisions);

/// The decisions in the words of a record. The environment is not the engine's to decide.
Execution execution_of(const Decisions& decisions);

/// What was computed of a video and what was reused, likewise.
ForwardCounts forwards_of(const Forwards& forwards);

/// The word of `--offload` that asks for a residency: none, stream or mapped; empty for a residency this program does
/// not know.
std::string_view offload_word(const Execution& execution);

/// Asks for what was decided where the request left it open or to memory: residency and the decoder's pieces. So all
/// runs of a case are made alike, whatever memory is free when each begins.
void ask_for(Request& request, const Execution& execution);

}  // namespace wan::suite
