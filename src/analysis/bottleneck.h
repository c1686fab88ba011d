// Where the time of a case goes and what would help: rules applied to numbers, each finding with its number, its limit,
// its likely cause and what it could save. From shares of leaf time, never from fixed texts.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "analysis/memory.h"
#include "analysis/summary.h"
#include "analysis/tables.h"

namespace wan {

/// What the time was spent on.
enum class TimeClass {
  kDisk,         // initialization while bytes came from storage
  kHostCpu,      // work on the CPU: initialization from page cache, preprocessing, text encoding on the CPU, a CPU run
  kExposedCopy,  // waiting for weights: Step_i_Loading, and exposed copies inside leaves
  kGpuCompute,
  kGpuMemory,   // DRAM busy while tensor cores idle
  kLaunchGaps,  // wall time of a GPU leaf that its device events do not cover
  kEncode,
  kOther,  // an external program's own stages
  kUnattributed,
};
std::string class_name(TimeClass value);

struct ClassShare {
  TimeClass what = TimeClass::kOther;
  double seconds = 0;
  double share = 0;  // of the total
  /// Total over total without this class: what removing it entirely would gain (Amdahl's bound).
  double speedup_bound = 1;
};

enum class Severity { kNote, kWarning, kError };

struct BottleneckFinding {
  std::string rule;  // code: unattributed, step_loading, low_sm, ...
  Severity severity = Severity::kWarning;
  std::string where;  // stage or class
  double value = 0, limit = 0;
  std::string unit;                // "%", "x", "GiB"
  std::string message;             // what was seen and its likely cause, one sentence
  std::optional<double> saving_s;  // at most, per video
};

/// "What if": one change, the total it would leave, by Amdahl's law, or the memory of the card it would free.
struct WhatIf {
  std::string change;
  double saved_s = 0;
  double new_total_s = 0;
  double speedup = 1;
  double saved_bytes = 0;     // of the card; 0: none
  bool hypothetical = false;  // "twice as fast": shows what a part is worth, not what could be changed
};

struct BottleneckReport {
  std::vector<ClassShare> classes;  // largest first; of one run they add up to the total, medians of several nearly
  std::vector<BottleneckFinding> findings;  // errors first, then by saving
  std::vector<WhatIf> what_ifs;             // largest saving of time first, then of memory
  std::optional<Headroom> headroom;         // nothing when peak or capacity is not known
};

/// Applies the rules to a summary with at least one valid run. `peak` is the card's entry of the table, or nullptr.
BottleneckReport find_bottlenecks(const CaseSummary& summary, const CardPeak* peak);

}  // namespace wan
