// What a report shows of one case, worked out once: the estimates of the runs that count or, where none does, one run
// that failed; with what follows for buyers and engineers. Reports only write it down.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "analysis/bottleneck.h"
#include "analysis/buyer.h"
#include "analysis/case_fidelity.h"
#include "analysis/kernels.h"
#include "analysis/memory.h"
#include "analysis/roofline.h"
#include "analysis/summary.h"
#include "analysis/tables.h"

namespace wan {

/// A run that enters no estimate, of a case that has no other: it ended badly, or something makes it doubtful.
struct FailedRun {
  const RunRecord* run = nullptr;
  std::string reason;                 // "status oom", "flag cpu_interference: ..."
  const ErrorFacts* error = nullptr;  // of the run; nullptr: it ended well and is doubted
  CaseSummary numbers;  // its stages as far as they went; no run is used in it, so nothing compares with it
};

/// The first run of the group that is no warm-up, else the first; nothing where a run counts.
std::optional<FailedRun> failed_run(const CaseSummary& summary);

/// Hidden work, or parts of one name in one stage. Never summed with leaves.
struct PartView {
  std::string id;
  StageKind kind = StageKind::kComponent;
  int64_t count = 1;              // spans
  Quantity seconds, moved_bytes;  // of all together
  bool matters = false;           // 1 % of the total or more
};

/// One run's steps.
struct StepsView {
  const RunRecord* run = nullptr;
  std::vector<const StageRecord*> steps;
  std::vector<double> seconds;
  StepSeries series;
};

enum class FitState { kFits, kOutOfMemory, kNotKnown };
std::string_view to_string(FitState state);  // "fits", "out of memory", "not known"

/// How far the case's picture is from a reference's, for a cell of a table.
struct FidelityCell {
  std::string text;      // "31.5 dB, velocity 3 % off, against bf16"; empty: not measured
  std::string floor;     // the noise floor beside it
  std::string why_none;  // of an empty text
};

struct CaseView {
  CaseSummary summary;  // of the runs that count; has no stages where none does
  std::optional<FailedRun> failed;
  std::string title;  // the case's name with its circumstances
  bool on_gpu = false;
  size_t counted = 0, runs = 0;        // in the estimates; that could count: no warm-ups, no traced ones
  const RunRecord* not_ok = nullptr;   // the first run that did not end well
  const RunRecord* typical = nullptr;  // of the runs behind the numbers the one to draw: nearest to the median
  FitState fit = FitState::kNotKnown;
  std::map<std::string, std::string> run_names;  // by run id: "run 2", "warm-up 1", "traced run 1", "compared run 1"
  const CardPeak* peak = nullptr;
  const CardPrice* price = nullptr;
  BuyerNumbers buyer;
  std::optional<TimePart> largest_part;
  BottleneckReport bottlenecks;
  Roofline roof;
  MemoryWaterfall memory;  // of the typical run
  std::vector<PartView> parts;
  std::vector<StepsView> steps;
  std::optional<TracedRun> traced;
  std::vector<FidelityView> fidelity;  // one a reference, newest first
  std::string refuted;                 // why the precision class is not what it is stamped as; empty: nothing says so
  /// Nothing in a report of one precision class and one recipe in which no fidelity is measured.
  std::optional<FidelityCell> fidelity_cell;

  const CaseSummary& numbers() const { return failed ? failed->numbers : summary; }
  const RunRecord& example() const { return *numbers().example; }
  bool has_result() const { return numbers().total_s.has(); }
  const std::vector<Exclusion>& excluded() const { return summary.selection.excluded; }
  std::string doubt() const { return failed ? failed->reason : ""; }  // why no run counts
  /// How the case ended: ok, or as the first run that did not end well where none counts.
  RunStatus status() const { return failed && not_ok != nullptr ? not_ok->status : RunStatus::kOk; }
  /// Columns of the whole run; none has a value where the record has no total.
  const StageSummary& whole() const;
};

/// Points into the group's records and into the tables, which must outlive the result; the tables may be empty.
CaseView case_view(const RunGroup& group, const std::vector<CardPeak>& peaks, const std::vector<CardPrice>& prices);

}  // namespace wan
