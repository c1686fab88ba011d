// The single spans of parts that a stage has many of, copies of weights most of all: hundreds a run. A record holds
// their sums, one row a stage and part; the spans lie in a file beside it, for timelines and traces only.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "results/record.h"

namespace wan {

/// Times count from the start of Total_Execution.
struct PartSpan {
  int64_t begin_ns = 0, wall_ns = 0;
  std::optional<uint64_t> moved_bytes;
  bool operator==(const PartSpan&) const = default;
};

/// All spans that one row of a record sums up.
struct PartSpans {
  std::string id;               // of that row
  std::vector<PartSpan> spans;  // in the order in which they were recorded
  bool operator==(const PartSpans&) const = default;
};

struct SpanSet {
  std::vector<PartSpans> parts;
  bool operator==(const SpanSet&) const = default;
};

inline constexpr const char* kSpansFormat = "wanbench.spans 1";

/// Puts the rows of one hidden work, or of one component, of one stage together: the first of several rows becomes
/// their sum with their count, the others go. Returns the spans; those without a known begin are in the sum only.
/// Records that were written with a row for each span come out as those written since.
SpanSet sum_up_parts(std::vector<StageRecord>& stages);

std::string spans_to_json(const SpanSet& spans);
/// Throws Error(kInput) naming `where` when it is not such a file.
SpanSet spans_from_json(std::string_view text, const std::string& where);

/// Sums up the record's parts, writes their spans to "<stem of the record>.spans.json" in `folder` and refers to it in
/// the record, which must not be sealed yet. Writes nothing where no part has several spans.
void store_spans(const std::filesystem::path& folder, RunRecord& record);

/// The spans that the record in `record_file` refers to; nothing when it has none or the file is gone.
std::optional<SpanSet> load_spans(const std::filesystem::path& record_file, const RunRecord& record);

}  // namespace wan
