// What a comparison of whole arms amounts to: counts of pairs, one line that names all of them, one exit code.
#pragma once

#include <string>
#include <string_view>

#include "analysis/compare.h"
#include "base/error.h"

namespace wan {

/// Pairs of cases by what was found; a pair is counted once.
struct GateCounts {
  int slower = 0;        // beyond the limit, where a limit is set
  int inconclusive = 0;  // no verdict, or no such row in these runs
  int passed = 0;        // any other verdict
  int missing = 0;       // cases of A that B has not
  int incomparable = 0;  // not the same work, or no valid run

  int compared() const { return slower + inconclusive + passed; }
};

/// Counts `comparison` by the verdict of its row `row` ("Total", "GPU part", ...); slower counts as passed without
/// `has_limit`.
void count(GateCounts& counts, const Comparison& comparison, std::string_view row, bool has_limit);

/// kComparison when a pair is slower than the limit; else kInconclusive under `strict` when a pair is inconclusive or a
/// case is missing; else kNotComparable when a case is missing or not comparable, or nothing was compared; else
/// kSuccess.
ExitCode gate_code(const GateCounts& counts, bool strict);

/// "2 pairs compared: 1 slower than the limit, 1 inconclusive; 1 case missing; 1 not comparable".
std::string gate_text(const GateCounts& counts);

}  // namespace wan
