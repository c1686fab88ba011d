// The columns of every table of stages: one list that report.md, report.html, results.csv and trace.json are made from.
// A new column is a row here and, where it is estimated over runs, a member of StageSummary.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "analysis/summary.h"
#include "results/record.h"

namespace wan {

/// What a column counts in. report/format.h and assets/format.js choose its digits.
enum class Unit {
  kSeconds,
  kBytes,
  kPercent,
  kCores,
  kSmSeconds,
  kMegahertz,
  kWatts,
  kJoules,
  kTeraflops,
  kCelsius,
  kBytesPerSecond,
  kOperations,
};
std::string_view unit_name(Unit unit);    // "seconds", "bytes", ...: a writer in assets/format.js
std::string_view unit_symbol(Unit unit);  // "s", "GiB", "%", ...: as people read it in a table

/// Where a column is shown; a set of these.
enum Target : unsigned {
  kMarkdownTable = 1,
  kPageTable = 2,
  kPageCurve = 4,  // under the timeline: one value a stage where the run has no samples
  kCsv = 8,
  kTrace = 16,  // an argument of the stage's slice; a curve where `of_stage` says what its values are
  kTables = kMarkdownTable | kPageTable,
};

/// Whether a column can have a value in a run that used no card.
enum class Needs { kNothing, kCard };

struct StageColumn {
  const char* key;    // unique; in results.csv and trace.json. A record's key with its unit where it has one
  const char* head;   // short, as tables of Markdown have it, unit aside
  const char* title;  // as the page and the curves of a trace have it
  Unit unit;
  const char* hint;  // what it says, in a sentence
  unsigned targets;
  Needs needs = Needs::kNothing;
  Measured<double> (*value)(const RunRecord&, const StageRecord&);  // of one run, in the unit of `key`
  double to_si = 1;                                                 // from the unit of `key` to seconds
  Quantity StageSummary::*over_runs = nullptr;  // estimated over runs, in SI units; nullptr: of single runs only
  const char* of_stage = nullptr;               // of a curve: "mean of the stage", "peak of the stage", ...
  const char* series = nullptr;                 // of a curve: the samples that show the same along a run
  int csv_place = 0;  // among the columns that results.csv had first; 0: after these, in this order

  bool is_in(Target target) const { return (targets & target) != 0; }
  bool is_whole() const;  // counted in whole numbers: nanoseconds, bytes
};

std::span<const StageColumn> stage_columns();

/// The column of a series of samples; nullptr: none has it.
const StageColumn* column_of_series(std::string_view series);

/// Whether what a row moved took its own time: hidden spans and parts. What moved during a leaf did so at no rate of
/// its own.
bool is_copy(StageKind kind);
/// Bytes over their time; nothing where it took none.
std::optional<double> gb_per_s(uint64_t bytes, int64_t wall_ns);

}  // namespace wan
