#include "analysis/case_fidelity.h"

#include <algorithm>
#include <map>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "analysis/plain_words.h"
#include "results/device_name.h"

namespace wan {
namespace {

constexpr double kPercent = 100;

bool is_result(const RunRecord& run) { return run.status == RunStatus::kOk || run.status == RunStatus::kQualityFail; }

constexpr const char* kPsnr = "psnr";

std::optional<double> mean_of(const FidelityComparison& comparison, std::string_view metric) {
  const FidelityScore* score = find_score(comparison, metric);
  return score == nullptr ? std::nullopt : score->mean.value;
}

std::optional<double> worst_velocity_percent(const FidelityComparison& comparison) {
  const StepDistance* worst = worst_replayed(comparison);
  return worst == nullptr ? std::nullopt : std::optional<double>(kPercent * *worst->relative_l2.value);
}

constexpr FidelityMeasure kMeasures[] = {
    {kPsnr, "PSNR", "dB", true, [](const FidelityComparison& c) { return mean_of(c, kPsnr); }},
    {"ssim", "SSIM", "", true, [](const FidelityComparison& c) { return mean_of(c, "ssim"); }},
    {"flip", "FLIP", "", false, [](const FidelityComparison& c) { return mean_of(c, "flip"); }},
    {"velocity", "worst replayed velocity", "%", false, worst_velocity_percent},
};

/// Whether a timed run made other frames than the one that was judged.
std::string other_frames(const RunRecord& judged, const std::vector<const RunRecord*>& runs) {
  const std::string& known = judged.fidelity->comparison.test_sha256;
  if (known.empty()) return "";
  size_t all = 0, other = 0;
  for (const RunRecord* run : runs) {
    if (run->fidelity || run->status != RunStatus::kOk || run->output.sha256.empty()) continue;
    ++all;
    if (run->output.sha256 != known) ++other;
  }
  if (other == 0) return "";
  return fmt::format("{} of the case's {} timed runs made other frames than the run that was judged", other, all);
}

bool has_reference_of(const FidelityView& view, const RunRecord& run) {
  const FidelityComparison &a = view.comparison(), &b = run.fidelity->comparison;
  return a.reference == b.reference && a.reference_class == b.reference_class &&
         same_recipe(a.reference_recipe, b.reference_recipe);
}

}  // namespace

bool same_recipe(const std::string& a, const std::string& b) {
  const auto name = [](const std::string& recipe) { return recipe.empty() ? "official" : std::string_view(recipe); };
  return name(a) == name(b);
}

std::string FidelityView::refuted() const {
  const StepDistance* worst = worst_replayed(comparison());
  const std::string word(to_string(run->workload.precision_class));
  if (worst != nullptr && record().velocity_bound && *worst->relative_l2.value > *record().velocity_bound)
    return fmt::format(
        "class {} is refuted: a velocity replayed from {} is {:.3g} % off in step {}, {:g} % is promised", word,
        comparison().reference, kPercent * *worst->relative_l2.value, worst->step + 1,
        kPercent * *record().velocity_bound);
  return run->status == RunStatus::kQualityFail ? fmt::format("class {} is refuted", word) : "";
}

std::vector<FidelityView> fidelity_of(const RunGroup& group) {
  std::vector<FidelityView> views;
  for (auto run = group.judged.rbegin(); run != group.judged.rend(); ++run) {
    const auto is_older = [&](const FidelityView& view) { return has_reference_of(view, **run); };
    if (is_result(**run) && std::none_of(views.begin(), views.end(), is_older))
      views.push_back({*run, other_frames(**run, group.runs)});
  }
  return views;
}

std::string why_no_fidelity(const RunGroup& group) {
  if (group.judged.empty()) return "no run was made for it (run --fidelity)";
  const RunRecord& newest = *group.judged.back();
  return fmt::format("the run against {} {}", newest.fidelity->comparison.reference, plain_status(newest.status));
}

std::string refuted_class(const RunGroup& group) {
  for (const FidelityView& view : fidelity_of(group))
    if (std::string text = view.refuted(); !text.empty()) return text;
  return "";
}

std::span<const FidelityMeasure> fidelity_measures() { return kMeasures; }

std::string metric_title(std::string_view metric) {
  static const std::map<std::string_view, const char*> kTitles = {{"psnr", "PSNR"},
                                                                  {"ssim", "SSIM"},
                                                                  {"ms_ssim", "MS-SSIM"},
                                                                  {"flip", "FLIP"},
                                                                  {"difference_psnr", "PSNR of frame differences"}};
  const auto found = kTitles.find(metric);
  return found == kTitles.end() ? std::string(metric) : found->second;
}

std::string metric_unit(std::string_view metric) { return metric.ends_with("psnr") ? "dB" : ""; }

std::string metric_text(std::string_view metric, double value) {
  const std::string unit = metric_unit(metric);
  return unit.empty() ? fmt::format("{:.4f}", value) : fmt::format("{:.1f} {}", value, unit);
}

std::string reference_text(const FidelityComparison& comparison) {
  const std::string& recipe = comparison.reference_recipe;
  if (same_recipe(recipe, "")) return comparison.reference;
  return fmt::format("{} ({})", comparison.reference, recipe);
}

std::string distance_text(const FidelityComparison& comparison) {
  if (comparison.identical) return "identical";
  std::vector<std::string> parts;
  if (const auto psnr = mean_of(comparison, kPsnr)) parts.push_back(metric_text(kPsnr, *psnr));
  if (const auto off = worst_velocity_percent(comparison)) parts.push_back(fmt::format("velocity {:.3g} % off", *off));
  if (parts.empty()) return "not measured: " + fidelity_reason(comparison.why_no_scores);
  return fmt::format("{}", fmt::join(parts, ", "));
}

std::string measured_text(const FidelityView& view) {
  const FidelityComparison& comparison = view.comparison();
  std::string text = fmt::format("{}, against {}", distance_text(comparison), reference_text(comparison));
  if (comparison.includes_codec) text += ", includes the codec";
  if (!view.other_frames.empty()) text += ", of other frames than the timed runs'";
  if (!view.refuted().empty()) text += ", CLASS REFUTED";
  return text;
}

std::string noise_floor_text(const FidelityRecord& record) {
  if (record.noise_floor.empty()) return "none: " + fidelity_reason(record.why_no_noise_floor);
  std::vector<std::string> parts;
  for (const FidelityComparison& floor : record.noise_floor)
    parts.push_back(fmt::format("{} against {} {}", floor.test, floor.reference, distance_text(floor)));
  return fmt::format("{}", fmt::join(parts, "; "));
}

std::string fidelity_reason(std::string_view reason) {
  static const std::map<std::string_view, const char*> kMeanings = {
      {"", "not measured"},
      {"a_cpu_computes_in_fp32", "a CPU computes in fp32"},
      {"identical", "identical"},
      {"made_by_another_program", "another program made it"},
      {"not_asked_for", "not asked for"},
      {"other_timesteps", "the reference has other timesteps"},
      {"smaller_than_11_pixels", "smaller than 11 pixels"},
      {"smaller_than_176_pixels", "smaller than 176 pixels"},
  };
  if (const auto found = kMeanings.find(reason); found != kMeanings.end()) return found->second;
  std::string text(reason);
  std::replace(text.begin(), text.end(), '_', ' ');
  return text;
}

bool same_reference(const FidelityView& a, const FidelityView& b) {
  const FidelityComparison &x = a.comparison(), &y = b.comparison();
  const bool frames_tell =
      !x.reference_sha256.empty() && !y.reference_sha256.empty() && device_name(*a.run) == device_name(*b.run);
  if (frames_tell) return x.reference_sha256 == y.reference_sha256;
  return x.reference == y.reference && x.reference_class == y.reference_class &&
         same_recipe(x.reference_recipe, y.reference_recipe);
}

}  // namespace wan
