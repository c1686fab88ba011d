#include "analysis/compare_fidelity.h"

#include <algorithm>
#include <array>

#include <fmt/format.h>

namespace wan {
namespace {

/// Whether the field says that one side may make another picture on purpose.
bool changes_picture(const FieldDifference& difference) {
  return difference.field == "precision_class" || difference.field == "recipe" ||
         difference.field.starts_with("weights.lora");
}

/// Fields in which a request differs from the same one in another precision, and those that decide no pixel.
bool is_of_precision(const FieldDifference& difference) {
  constexpr std::array kFields{"precision_class", "scope", "page_cache", "output", "offload", "text_encoder_device"};
  return difference.field.starts_with("dtypes.") ||
         std::find(kFields.begin(), kFields.end(), difference.field) != kFields.end();
}

bool made_frames(const CaseSummary& side, const std::string& sha256) {
  const auto& runs = side.selection.used;
  return !sha256.empty() &&
         std::any_of(runs.begin(), runs.end(), [&](const RunRecord* run) { return run->output.sha256 == sha256; });
}

bool has_name(const CaseSummary& side, const std::string& name) {
  const auto& aliases = side.example->run_case.aliases;
  return side.group.case_name == name || std::find(aliases.begin(), aliases.end(), name) != aliases.end();
}

/// Whether what the view is against is the other side's setting.
bool is_against(const FidelityView& view, const CaseSummary& other, const std::vector<FieldDifference>& different) {
  const FidelityComparison& comparison = view.comparison();
  if (made_frames(other, comparison.reference_sha256)) return true;
  const Workload& work = other.example->workload;
  if (work.precision_class != comparison.reference_class || !same_recipe(work.recipe, comparison.reference_recipe))
    return false;
  const bool is_own_in_precision = comparison.reference == "fp32" || comparison.reference == "bf16";
  return is_own_in_precision ? std::all_of(different.begin(), different.end(), is_of_precision)
                             : has_name(other, comparison.reference);
}

using Side = ComparedFidelity::Side;

void add_of_one(PairFidelity& out, Side of, const std::vector<FidelityView>& views, const CaseSummary& other,
                const std::vector<FieldDifference>& different) {
  for (const FidelityView& view : views)
    if (is_against(view, other, different)) out.measured.push_back({of, view, true});
}

void add_of_both(PairFidelity& out, const std::vector<FidelityView>& of_a, const std::vector<FidelityView>& of_b) {
  for (const FidelityView& a : of_a)
    for (const FidelityView& b : of_b) {
      if (!same_reference(a, b)) continue;
      out.measured.push_back({Side::kA, a, false});
      out.measured.push_back({Side::kB, b, false});
      return;
    }
}

}  // namespace

PairFidelity fidelity_between(const CaseSummary& a, const CaseSummary& b,
                              const std::vector<FieldDifference>& different) {
  PairFidelity out;
  out.refuted_a = refuted_class(a.group);
  out.refuted_b = refuted_class(b.group);
  out.is_asked = std::any_of(different.begin(), different.end(), changes_picture) || !out.refuted_a.empty() ||
                 !out.refuted_b.empty();
  if (!out.is_asked) return out;
  const std::vector<FidelityView> of_a = fidelity_of(a.group), of_b = fidelity_of(b.group);
  add_of_one(out, Side::kB, of_b, a, different);
  add_of_one(out, Side::kA, of_a, b, different);
  if (out.measured.empty()) add_of_both(out, of_a, of_b);
  return out;
}

std::string compared_text(const ComparedFidelity& fidelity, std::string_view a, std::string_view b) {
  const bool is_of_b = fidelity.of == Side::kB;
  const FidelityComparison& comparison = fidelity.view.comparison();
  std::string text =
      fmt::format("{} against {}: {}", is_of_b ? b : a,
                  fidelity.against_other_side ? fmt::format("{} ({})", is_of_b ? a : b, reference_text(comparison))
                                              : reference_text(comparison),
                  distance_text(comparison));
  if (comparison.includes_codec) text += ", includes the codec";
  text += "; noise floor: " + noise_floor_text(fidelity.view.record());
  if (!fidelity.view.other_frames.empty()) text += "; but " + fidelity.view.other_frames;
  return text;
}

}  // namespace wan
