// Hand-made records for the report's tests: two cases of three runs, one that failed, one that was imported.
#pragma once

#include <string>
#include <vector>

#include "results/kernel_events.h"
#include "results/load.h"
#include "results/record.h"
#include "results/samples.h"

namespace wan {

/// Prompt and error text of a stranger who wants to be markup.
inline constexpr const char* kHostileText =
    "</script><img src=x onerror=\"window.hostile=1\"><!-- \xE2\x80\xA8\xE2\x80\xAE & 'cats' \"box\"";

/// Sealed, in order of time: "01_Speed" cold and warm, three runs each, on a card with every counter; "02_Large"
/// without memory for it.
std::vector<RunRecord> report_records();

/// Half a second of readings of a run, every 100 ms.
SampleSet report_samples();

/// The kernels of a step of the traced run: two on one stream, of which the second begins before the first ends, a copy
/// on another, and a kernel whose launch is not known; two threads.
KernelEvents report_kernel_events();

/// A run of "01_Speed" on another card, as if read from another program's report, with one contradiction.
RunRecord imported_record();

/// Three videos of the small model on a CPU on which other programs ran: none counts.
std::vector<RunRecord> demo_records();

/// "01_Speed" cold and warm with five runs each on an H100 and an H200, alike on the card; another program's report of
/// the cold case on the H100 and two other cards, one run each.
std::vector<RunRecord> four_card_records();

/// Twelve settings of one card, two runs each: formats, places of weights, recipes; one ran out of memory.
std::vector<RunRecord> ablation_records();

/// Settings of one card against one of them, "bf16": two that drift, one whose class its measurement refutes, one that
/// is identical, one that nobody judged. Those with a still name `fidelity/CASE.bf16/*.png`.
std::vector<RunRecord> fidelity_records();

/// A server under closed and open load, one level overloaded, with power and one failure; what it calls its model wants
/// to be markup.
LoadTest load_example();

/// A warm case of MLPerf's text-to-video work on one H200, three runs, and one of fewer frames.
std::vector<RunRecord> mlperf_records();

/// Three cases that gave nothing: two without memory, one that crashed.
std::vector<RunRecord> failure_records();

}  // namespace wan
