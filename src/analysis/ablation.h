// An ablation's table: what each arm gained over the default, what it needed, how far its video is from the default's,
// and what that amounts to in words.
#pragma once

#include <deque>
#include <optional>
#include <string>
#include <vector>

#include "analysis/case_fidelity.h"
#include "analysis/case_view.h"
#include "analysis/summary.h"
#include "results/ablation.h"

namespace wan {

enum class ArmVerdict {
  kBaseline,       // the default itself
  kSooner,         // it gains, and its video is the default's
  kSoonerOther,    // it gains, and its video is another
  kNoGain,         // it neither gains nor loses time beyond the spread
  kCostsFidelity,  // it gains nothing, and its video is another
  kSlower,
  kNotMeasured,  // it was run, and no run of it can be used
  kNotRun,
};
std::string_view to_string(ArmVerdict verdict);  // "baseline", "sooner", "sooner_other_video", "no_gain", ...

/// How far repeats, or where there is one run its steps that compute alike, lie apart: half from the least to the most,
/// over their median.
struct ArmSpread {
  double share = 0;
  bool of_runs = false;
};

struct AblationRow {
  const AblationArm* arm = nullptr;
  const CaseSummary* numbers = nullptr;  // nullptr: it has none
  std::string doubt;                     // why its run would enter no estimate; empty: it does
  const RunRecord* run = nullptr;        // one of those behind the numbers
  std::optional<ArmSpread> spread;
  std::optional<double> gain;            // the default's seconds over its own: above 1 it is sooner
  std::optional<double> denoising_gain;  // likewise, of all steps
  const ForwardCounts* forwards = nullptr;
  std::optional<FidelityView> fidelity;  // against the default
  std::string why_no_fidelity;           // empty: there is one, or it is the default itself
  ArmVerdict verdict = ArmVerdict::kNotRun;
  std::string text;  // of the verdict: "1.9x sooner, altered: PSNR 24.1 dB, SSIM 0.8123"
};

struct AblationTable {
  Ablation ablation;
  std::deque<CaseSummary> summaries;
  std::deque<FailedRun> failed;
  std::vector<AblationRow> rows;  // the arms in their order
  std::string device;             // empty: nothing was run
  /// What holds for all of it: that weights are random, that one run a side is all there is.
  std::vector<std::string> remarks;

  AblationTable() = default;
  AblationTable(const AblationTable&) = delete;
  AblationTable& operator=(const AblationTable&) = delete;
};

/// Fills `table`, which points into itself and into `records`; records of other cases than the arms are left aside.
void fill_ablation_table(AblationTable& table, Ablation ablation, const std::vector<const RunRecord*>& records);

/// "PSNR 24.1 dB, SSIM 0.8123, last latent 12 % off"; "identical"; why there is none.
std::string arm_fidelity_text(const AblationRow& row);

/// The relative L2 of what the last step left, in percent; nothing: not measured.
std::optional<double> last_latent_percent(const FidelityComparison& comparison);

}  // namespace wan
