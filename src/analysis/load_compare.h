// Two load tests, level by level, with a verdict for each number.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "analysis/compare.h"
#include "analysis/load.h"

namespace wan {

/// Less is better in all of them.
struct LoadComparedRow {
  std::string name;  // "seconds a video", "latency p95", "service", "energy a video"
  double a = 0, b = 0;
  double ratio = 1;        // b / a
  LooseInterval interval;  // of the ratio: the ends of B's over the opposite ends of A's; of service as compare has it
  Verdict verdict = Verdict::kInconclusive;
  std::string reason;  // of an inconclusive one
};

struct LoadLevelPair {
  std::string name;
  const LoadSummary* a = nullptr;
  const LoadSummary* b = nullptr;
  std::vector<LoadComparedRow> rows;
};

struct LoadComparison {
  std::vector<std::string> refusals;  // why they may not be compared; then nothing below is filled
  std::vector<std::string> caveats;
  std::vector<LoadLevelPair> pairs;
  std::vector<std::string> only_in_a, only_in_b;  // names of levels
};

/// Levels answer each other that have the same number at a time, or are both Poisson or both traces with rates within
/// 2 %. Requests with other settings are not the same work. `margin`: differences within 1 +- it do not matter.
LoadComparison compare_loads(const LoadView& a, const LoadView& b, double margin);

}  // namespace wan
