// Records as JSON text and back. The versioning rule is in docs/formats.md.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "results/record.h"

namespace wan {

/// Pretty-printed JSON of a record, keys in the order of fields.h, ending in a line feed.
std::string to_json(const RunRecord& record);

/// The same on one line, for a pipe or a JSONL file; no line feed inside or after.
std::string to_json_line(const RunRecord& record);

/// Reads a record. `where` names the file in errors. A newer minor version is accepted and its unknown keys ignored.
/// Throws Error(kInput), naming the file and the key, for text that is not JSON, another schema, a newer major, an
/// absent key, a wrong type, or an unknown word.
RunRecord record_from_json(std::string_view text, const std::string& where);

/// A kernel trace alone, as it stands in a record, on one line; and back. `where` names the source in errors, thrown as
/// by `record_from_json`.
std::string kernels_to_json(const KernelTrace& trace);
KernelTrace kernels_from_json(std::string_view text, const std::string& where);

/// What a run's fidelity was found to be, alone, likewise.
std::string fidelity_to_json(const FidelityRecord& fidelity);
FidelityRecord fidelity_from_json(std::string_view text, const std::string& where);

/// The stages of a run alone, as a list, as they stand in a record, on one line.
std::string stages_to_json(const std::vector<StageRecord>& stages);

/// What the engine decided, alone, likewise.
std::string execution_to_json(const Execution& execution);
Execution execution_from_json(std::string_view text, const std::string& where);

/// What was computed and what was reused, alone, likewise.
std::string forwards_to_json(const ForwardCounts& forwards);
ForwardCounts forwards_from_json(std::string_view text, const std::string& where);

/// SHA-256 of the canonical JSON of the fields that decide the work: sorted keys, prompts by digest only, weights by
/// component and digest only. Equal keys: comparable runs.
std::string workload_key(const Workload& workload);

/// SHA-256 of prompt + "\n" + negative prompt.
std::string prompts_digest(std::string_view prompt, std::string_view negative_prompt);

/// Fills workload.prompts_sha256 if empty and there is a prompt, workload_key, and id (16 hex digits over the whole
/// content). Call once, before storing.
void seal(RunRecord& record);
/// The same; the sealed record as `to_json` writes it, made once.
std::string seal_to_json(RunRecord& record);

}  // namespace wan
