// What `wanbench compare` found, before it is said as text or as JSON.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "analysis/compare.h"
#include "analysis/gate.h"
#include "cli/json_document.h"

namespace wan::cli {

struct Arm {
  std::string label;
  std::vector<const RunRecord*> runs;
};

/// What two arms have in common, and what only one of them has.
struct ArmComparison {
  const Arm* base = nullptr;
  const Arm* other = nullptr;
  std::vector<CaseSummary> a, b;
  std::vector<Comparison> pairs;  // point into a and b
  std::vector<std::string> only_in_a, only_in_b;
};

/// The first arm against each of the others, and what that amounts to. Points into the records.
struct CompareResult {
  std::string gate;   // the row that decides
  double margin = 0;  // 0.01: within 1 %
  std::optional<double> fail_if_slower_percent;
  bool strict = false;
  std::vector<ArmComparison> compared;
  GateCounts counts;
};

/// What all pairs amount to first, then each pair, in 80 columns, on standard output.
void print_text(const CompareResult& result);

/// The same as a document of schema wanbench.compare (docs/formats.md).
OrderedJson json_of(const CompareResult& result);

/// The geometric mean of B/A where every case of both arms has an answer in the other, and there are several.
std::optional<double> mean_ratio(const ArmComparison& arms);

/// Whether a pair that may be compared has no row of the gate's name.
bool lacks_gate(const Comparison& pair, const std::string& gate);

}  // namespace wan::cli
