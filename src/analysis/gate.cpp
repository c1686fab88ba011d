#include "analysis/gate.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <vector>

namespace wan {

void count(GateCounts& counts, const Comparison& comparison, std::string_view row, bool has_limit) {
  if (!comparison.comparable()) {
    ++counts.incomparable;
    return;
  }
  const auto found = std::find_if(comparison.scopes.begin(), comparison.scopes.end(),
                                  [row](const ComparedRow& r) { return r.name == row; });
  if (found == comparison.scopes.end() || found->time.verdict == Verdict::kInconclusive)
    ++counts.inconclusive;
  else if (has_limit && found->time.verdict == Verdict::kSlower)
    ++counts.slower;
  else
    ++counts.passed;
}

ExitCode gate_code(const GateCounts& counts, bool strict) {
  if (counts.slower > 0) return ExitCode::kComparison;
  if (strict && (counts.inconclusive > 0 || counts.missing > 0)) return ExitCode::kInconclusive;
  if (counts.missing > 0 || counts.incomparable > 0 || counts.compared() == 0) return ExitCode::kNotComparable;
  return ExitCode::kSuccess;
}

std::string gate_text(const GateCounts& counts) {
  std::vector<std::string> found;
  if (counts.slower > 0) found.push_back(fmt::format("{} slower than the limit", counts.slower));
  if (counts.inconclusive > 0) found.push_back(fmt::format("{} inconclusive", counts.inconclusive));
  const int compared = counts.compared();
  std::string text = fmt::format("{} {} compared", compared, compared == 1 ? "pair" : "pairs");
  if (!found.empty()) text += fmt::format(": {}", fmt::join(found, ", "));
  if (counts.missing > 0)
    text += fmt::format("; {} {} missing", counts.missing, counts.missing == 1 ? "case" : "cases");
  if (counts.incomparable > 0) text += fmt::format("; {} not comparable", counts.incomparable);
  return text;
}

}  // namespace wan
