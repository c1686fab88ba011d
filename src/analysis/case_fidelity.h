// How far a case's picture is from a reference's: what the runs that were made to be compared say of those that are
// timed, and its words. What each number is: docs/method.md.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "analysis/summary.h"
#include "results/record.h"

namespace wan {

/// One measurement: the case against one reference.
struct FidelityView {
  const RunRecord* run = nullptr;  // has `fidelity`
  std::string other_frames;        // why the timed runs are not what was judged; empty: nothing says so
  const FidelityRecord& record() const { return *run->fidelity; }
  const FidelityComparison& comparison() const { return run->fidelity->comparison; }
  /// Why the case's precision class is not what it is stamped as, in a sentence; empty: nothing refutes it.
  std::string refuted() const;
};

/// The newest measurement against each reference that ended well or refuted the class, newest first.
std::vector<FidelityView> fidelity_of(const RunGroup& group);

/// Why there is none, in words: no run was made for it, or how the newest ended.
std::string why_no_fidelity(const RunGroup& group);

/// The first refutation of the case's class among its measurements; empty: there is none.
std::string refuted_class(const RunGroup& group);

/// A number of a comparison that cases can be ranked by.
struct FidelityMeasure {
  const char* key;
  const char* title;
  const char* unit;  // of what people read: "dB", "%", or none
  bool more_is_better;
  std::optional<double> (*of)(const FidelityComparison&);  // in that unit; nothing: not measured, or infinite
};
std::span<const FidelityMeasure> fidelity_measures();  // psnr first

/// "PSNR", "MS-SSIM", "flicker (PSNR)" of a score's metric, and its unit, "dB" or none.
std::string metric_title(std::string_view metric);
std::string metric_unit(std::string_view metric);
/// A score with its unit: "31.5 dB", "0.9812".
std::string metric_text(std::string_view metric, double value);

/// "bf16", "case slow (lightning-4)": the reference with the recipe where it is not the official one.
std::string reference_text(const FidelityComparison& comparison);

/// "31.5 dB, velocity 3 % off" or "identical"; where neither is known, why.
std::string distance_text(const FidelityComparison& comparison);

/// The same with what it is against and what must be said of it: "31.5 dB, velocity 3 % off, against bf16, includes the
/// codec".
std::string measured_text(const FidelityView& view);

/// "bf16 against fp32 45.1 dB, velocity 0.53 % off; ..." or why there is none: "none: a CPU computes in fp32".
std::string noise_floor_text(const FidelityRecord& record);

/// A reason's word in a few words; a word that is not known with blanks.
std::string fidelity_reason(std::string_view reason);

/// Records before 1.3 say no recipe: theirs is the official one.
bool same_recipe(const std::string& a, const std::string& b);

/// Whether both were set against one picture: the same frames, or the same setting where frames cannot tell.
bool same_reference(const FidelityView& a, const FidelityView& b);

}  // namespace wan
