// One run laid out in time, in rows on which spans nest: what a timeline or a trace draws.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "results/record.h"
#include "results/spans.h"

namespace wan {

struct TimelineSpan {
  const StageRecord* stage = nullptr;
  int64_t begin_ns = 0, end_ns = 0;  // from the start of Total_Execution
  int row = 0;
  int depth = 0;       // how many spans of its row contain it
  int64_t number = 0;  // among the spans that `stage` sums up, from 1; 0: `stage` is this one span
  std::optional<uint64_t> moved_bytes{};

  std::string id() const;  // "Step_0_Inference/h2d", "Step_0_Inference/h2d#2"
};

struct TimelineRow {
  std::string name;     // "Pipeline", "Hidden: h2d", "Hidden: h2d (2)", "Overlapping"
  bool hidden = false;  // work that overlaps the pipeline and is never summed
};

struct Timeline {
  std::vector<TimelineRow> rows;  // the first is the pipeline: leaves, components, and the total where they nest in it
  std::vector<TimelineSpan> spans;  // by row, then begin, then the longer first
  int64_t earliest_ns = 0;          // 0, or below: device clocks are mapped to the host's with a small error
  bool reconstructed = false;       // the record has durations only: leaves were laid end to end
  int64_t left_out = 0;             // spans beyond 20,000, or that overlap others on more rows than are drawn
};

/// Points into `record`, which must outlive the result. `spans` are those that the record's sums were made of; without
/// them the sums are left out, for they have no one place. Times are never changed to make spans nest: one that does
/// not fit its row gets another. Spans without a known begin are left out, unless no leaf has one. Empty for a run
/// without stages.
Timeline timeline_of(const RunRecord& record, const SpanSet* spans = nullptr);

}  // namespace wan
