// Two arms of runs compared: ratio of medians, an interval that holds for few runs, and a verdict with a margin.
// Why this method: docs/method.md.
#pragma once

#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "analysis/breakdown.h"
#include "analysis/compare_fidelity.h"
#include "analysis/estimate.h"
#include "analysis/summary.h"
#include "analysis/workload_diff.h"

namespace wan {

/// Of B against A: kFaster means B takes less.
enum class Verdict { kFaster, kSlower, kSame, kInconclusive };
std::string_view to_string(Verdict verdict);  // "FASTER", ...

struct CompareOptions {
  double margin = 0.01;  // differences within 1 +- margin do not matter
  double confidence = 0.95;
  std::vector<std::string> allowed_fields;  // workload fields that may differ ("steps", "offload", ...); "*": any
  bool across_precision = false;            // compare different precision classes, or one that is refuted, and say so
};

/// Fewest runs an arm needs for a verdict: below, the exact rank test cannot reach p <= 0.05.
inline constexpr size_t kMinRunsForVerdict = 4;

struct RatioTest {
  double ratio = 1;                  // median(b) / median(a)
  std::optional<Interval> interval;  // the hull of Welch's on logarithms and the bootstrap of the ratio of medians
  std::optional<double> p_welch;     // two-sided, of no difference
  std::optional<double> p_rank;      // Mann-Whitney; nothing below kMinRunsForVerdict
  Verdict verdict = Verdict::kInconclusive;
  std::string reason;  // of an inconclusive verdict
};

/// Compares positive run values (times, cycles, energies: less is better).
///   FASTER / SLOWER: the whole interval is beyond 1 -+ margin, and the rank test gives p <= 1 - confidence.
///   SAME: the whole interval is within 1 +- margin.     INCONCLUSIVE: else, or fewer than 4 runs in an arm.
RatioTest compare_values(std::span<const double> a, std::span<const double> b, const CompareOptions& options = {});

/// One line of a comparison.
struct ComparedRow {
  std::string name;  // "Total (cold)", "Warm total", "Steady step", "GPU part", "Step inference", ...
  Estimate a, b;     // seconds
  RatioTest time;
  std::optional<RatioTest> cycles;  // time x SM clock, where both arms have clocks
  bool clock_explains = false;      // the gap in time vanishes in cycles
  std::optional<double> p_holm;     // of p_welch over the stage rows; verdicts of stages use it
};

/// Where the saved seconds of B against A lie.
struct SpeedupSplit {
  double total = 1, gpu = 1, host = 1;  // A / B: above 1, B is faster; host includes what no stage accounts for
  double saved_s = 0, saved_gpu_s = 0, saved_host_s = 0;
  double unattributed_a_s = 0, unattributed_b_s = 0;
};

/// "of 6 s saved, 5 s are the GPU part's and 1 s the host part's"; where not all three are savings, "1 s less in all, 1
/// s more in the GPU part, 2 s less in the host part". Says that medians need not add up where they visibly do not.
/// `write` makes a number of seconds text.
std::string savings_text(const SpeedupSplit& split, const std::function<std::string(double)>& write);

/// Something that a claim from a comparison must say; of one side, whose name goes before the text.
struct Caveat {
  enum class Of { kBoth, kA, kB };
  Of of = Of::kBoth;
  std::string text;
};

/// "wanbench on L40S is a single run: no interval", given the sides' names.
std::string caveat_text(const Caveat& caveat, std::string_view a, std::string_view b);

struct Comparison {
  std::string case_name;
  const CaseSummary* a = nullptr;
  const CaseSummary* b = nullptr;
  WorkloadDifference workload;
  PairFidelity fidelity;              // where both have a run that counts
  std::vector<std::string> refusals;  // why they may not be compared; then nothing below is filled
  std::vector<Caveat> caveats;        // beside what one side alone records: workload.unknown
  std::vector<ComparedRow> scopes;    // total first: the row a gate looks at
  std::vector<ComparedRow> stages;    // by role, all steps together
  std::optional<SpeedupSplit> split;
  bool comparable() const { return refusals.empty(); }
};

/// Compares two summaries of the same case. Both must have a valid run, else the refusal says which has none. Across
/// precision classes, recipes and LoRAs the fidelity of one must be measured against the other, or of both against one
/// reference: no verdict on times stands without it.
Comparison compare_cases(const CaseSummary& a, const CaseSummary& b, const CompareOptions& options = {});

/// Geometric mean of B / A over totals; nothing unless every pair is comparable.
std::optional<double> geometric_mean_ratio(const std::vector<Comparison>& comparisons);

}  // namespace wan
