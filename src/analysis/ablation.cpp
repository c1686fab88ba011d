#include "analysis/ablation.h"

#include <algorithm>
#include <map>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "analysis/plain_words.h"
#include "base/order_statistics.h"
#include "results/device_name.h"
#include "results/steps.h"

namespace wan {
namespace {

constexpr double kPercent = 100;
constexpr double kLeastGain = 0.01;  // within 1 % nothing is gained, whatever the spread says
constexpr size_t kLeastSteps = 3;    // that say how far they lie apart

const CaseSummary* find_summary(const std::deque<CaseSummary>& summaries, const std::string& name) {
  const CaseSummary* found = nullptr;
  for (const CaseSummary& summary : summaries) {
    if (summary.group.case_name != name) continue;
    if (found == nullptr || (found->selection.used.empty() && !summary.selection.used.empty())) found = &summary;
  }
  return found;
}

double half_range(std::vector<double> values) {
  const auto [least, most] = std::minmax_element(values.begin(), values.end());
  return (*most - *least) / 2 / median(values);
}

/// Seconds of the steps behind the first that compute the same forwards, of the kind that the most steps are of.
std::vector<double> alike_steps(const RunRecord& run) {
  const auto clips = steps_by_clip(run.stages);
  if (clips.empty()) return {};
  const std::vector<double> seconds = step_seconds(clips.back());
  const ForwardCounts none, &forwards = run.forwards.has() ? *run.forwards.value : none;
  std::map<std::pair<char, char>, std::vector<double>> by_work;
  const auto letter = [](const std::string& letters, size_t step) {
    return step < letters.size() ? letters[step] : 'C';
  };
  for (size_t step = 1; step < seconds.size(); ++step) {
    const std::pair work{letter(forwards.cond, step), letter(forwards.uncond, step)};
    if (work.first == 'C') by_work[work].push_back(seconds[step]);
  }
  std::vector<double> most;
  for (auto& [work, values] : by_work)
    if (values.size() > most.size()) most = std::move(values);
  return most;
}

/// Of many steps the outermost tenths are left aside: one that was held up says nothing of the others.
std::optional<ArmSpread> spread_of(const std::vector<const RunRecord*>& runs) {
  if (runs.size() > 1) {
    std::vector<double> totals;
    for (const RunRecord* run : runs) totals.push_back(double(total_stage(*run)->wall_ns) * 1e-9);
    return ArmSpread{half_range(std::move(totals)), true};
  }
  const std::vector<double> steps = alike_steps(*runs.front());
  if (steps.size() < kLeastSteps) return std::nullopt;
  return ArmSpread{(quantile(steps, 0.9) - quantile(steps, 0.1)) / 2 / median(steps), false};
}

std::string score_text(const FidelityComparison& comparison, const char* metric) {
  const FidelityScore* score = find_score(comparison, metric);
  if (score == nullptr || !score->mean.has()) return "";
  return fmt::format("{} {}", metric_title(metric), metric_text(metric, *score->mean.value));
}

std::string times_text(double ratio) { return fmt::format("{:.{}f}x", ratio, ratio < 1.095 ? 3 : 2); }

bool is_identical(const AblationRow& row) { return row.fidelity && row.fidelity->comparison().identical; }

/// By the comparison, else by the digests of both runs' frames.
bool is_same(const AblationRow& row, const AblationRow& base) {
  if (row.fidelity || row.run == nullptr || base.run == nullptr) return is_identical(row);
  return !row.run->output.sha256.empty() && row.run->output.sha256 == base.run->output.sha256;
}

std::string memory_words(const AblationRow& row, const AblationRow& base) {
  const Quantity &a = base.numbers->peak_device_bytes, &b = row.numbers->peak_device_bytes;
  if (!a.has() || !b.has() || a.median() <= 0) return "";
  const double change = b.median() / a.median() - 1;
  if (std::abs(change) < 0.02) return "";
  return fmt::format(", {:.0f} % {} memory", std::abs(kPercent * change), change < 0 ? "less" : "more");
}

class Filling {
 public:
  Filling(AblationTable& table, const std::vector<const RunRecord*>& records) : table_(table) {
    std::vector<const RunRecord*> ours;
    for (const RunRecord* record : records) {
      const auto is_its = [&](const AblationArm& arm) { return arm.name == record->run_case.name; };
      if (std::any_of(table.ablation.arms.begin(), table.ablation.arms.end(), is_its)) ours.push_back(record);
    }
    for (const RunGroup& group : group_runs(ours)) table.summaries.push_back(summarise(group));
  }

  void run() {
    for (const AblationArm& arm : table_.ablation.arms) table_.rows.push_back(row_of(arm));
    const AblationRow& base = table_.rows.front();
    for (AblationRow& row : table_.rows) judge(row, base);
    add_remarks();
  }

 private:
  AblationRow row_of(const AblationArm& arm) {
    AblationRow row;
    row.arm = &arm;
    const CaseSummary* summary = find_summary(table_.summaries, arm.name);
    if (summary == nullptr) return row;
    take_numbers(row, *summary);
    if (row.run != nullptr && row.run->forwards.has()) row.forwards = &*row.run->forwards.value;
    if (&arm == &table_.ablation.arms.front()) return row;
    const std::vector<FidelityView> views = fidelity_of(summary->group);
    if (!views.empty())
      row.fidelity = views.front();
    else
      row.why_no_fidelity = summary->group.judged.empty() ? "its frames were not compared with the default's"
                                                          : why_no_fidelity(summary->group);
    return row;
  }

  /// A run that would enter no estimate of a benchmark still says something here, and its doubt stands beside.
  void take_numbers(AblationRow& row, const CaseSummary& summary) {
    if (!summary.selection.used.empty()) {
      row.numbers = &summary;
      row.run = summary.selection.used.front();
      row.spread = spread_of(summary.selection.used);
      return;
    }
    std::optional<FailedRun> failed = failed_run(summary);
    if (!failed) return;
    row.doubt = plain_reason(failed->reason);
    row.run = failed->run;
    table_.failed.push_back(std::move(*failed));
    if (row.run->status != RunStatus::kOk || total_stage(*row.run) == nullptr) return;
    row.numbers = &table_.failed.back().numbers;
    row.spread = spread_of({row.run});
  }

  void judge(AblationRow& row, const AblationRow& base) {
    if (row.numbers == nullptr || !row.numbers->total_s.has()) {
      const bool was_run = row.run != nullptr;
      row.verdict = was_run ? ArmVerdict::kNotMeasured : ArmVerdict::kNotRun;
      row.text = was_run
                     ? "not measured: " + row.doubt
                     : "not run: " + (row.arm->why_not_run.empty() ? "it did not come to it" : row.arm->why_not_run);
      if (was_run && row.run->error) row.text += ": " + row.run->error->message;
      return;
    }
    if (&row == &base) {
      row.verdict = ArmVerdict::kBaseline;
      row.text = "the default";
      row.gain = row.denoising_gain = 1;
      return;
    }
    if (base.numbers == nullptr || !base.numbers->total_s.has()) {
      row.verdict = ArmVerdict::kNotMeasured;
      row.text = "not compared: the default has no numbers";
      return;
    }
    row.gain = base.numbers->total_s.median() / row.numbers->total_s.median();
    if (base.numbers->steps_s.has() && row.numbers->steps_s.has() && row.numbers->steps_s.median() > 0)
      row.denoising_gain = base.numbers->steps_s.median() / row.numbers->steps_s.median();
    say(row, base);
  }

  static void say(AblationRow& row, const AblationRow& base) {
    const double spread = (base.spread ? base.spread->share : 0) + (row.spread ? row.spread->share : 0);
    const double least = std::max(kLeastGain, spread);
    const bool is_sooner = *row.gain > 1 + least, is_slower = *row.gain < 1 / (1 + least);
    const bool is_same_video = is_same(row, base);
    row.verdict = is_sooner       ? is_same_video ? ArmVerdict::kSooner : ArmVerdict::kSoonerOther
                  : is_slower     ? ArmVerdict::kSlower
                  : is_same_video ? ArmVerdict::kNoGain
                                  : ArmVerdict::kCostsFidelity;
    if (!row.fidelity && row.verdict == ArmVerdict::kCostsFidelity) row.verdict = ArmVerdict::kNoGain;
    if (!row.fidelity && row.verdict == ArmVerdict::kSoonerOther) row.verdict = ArmVerdict::kNotMeasured;
    const std::string time = is_sooner   ? times_text(*row.gain) + " sooner"
                             : is_slower ? times_text(1 / *row.gain) + " slower"
                                         : "no gain";
    row.text = time + memory_words(row, base) + video_words(row);
    if (!row.doubt.empty()) row.text += "; doubtful: " + row.doubt;
  }

  static std::string video_words(const AblationRow& row) {
    if (!row.fidelity) return ", fidelity not measured: " + row.why_no_fidelity;
    if (is_identical(row)) return ", the same video";
    const bool is_altered = row.run->workload.precision_class == PrecisionClass::kAltered;
    const char* word = row.verdict == ArmVerdict::kCostsFidelity ? "costs fidelity"
                       : is_altered                              ? "altered"
                                                                 : "another video";
    return fmt::format(", {}: {}", word, arm_fidelity_text(row));
  }

  void add_remarks() {
    size_t most = 0;
    for (const AblationRow& row : table_.rows) {
      if (row.numbers == nullptr) continue;
      most = std::max(most, std::max<size_t>(row.numbers->selection.used.size(), 1));  // a doubtful one is one
      if (table_.device.empty() && row.run != nullptr) table_.device = device_name(*row.run);
    }
    if (most == 1)
      table_.remarks.push_back(
          "one run a side: what +-% says is from its steps, half of what lies between their 10th "
          "and 90th percentile; repeats tell more (--repeats)");
    if (table_.ablation.random_weights)
      table_.remarks.push_back(
          "weights are random: times, memory and forwards hold, and fidelity says nothing of real "
          "weights");
  }

  AblationTable& table_;
};

}  // namespace

std::string_view to_string(ArmVerdict verdict) {
  switch (verdict) {
    case ArmVerdict::kBaseline: return "baseline";
    case ArmVerdict::kSooner: return "sooner";
    case ArmVerdict::kSoonerOther: return "sooner_other_video";
    case ArmVerdict::kNoGain: return "no_gain";
    case ArmVerdict::kCostsFidelity: return "costs_fidelity";
    case ArmVerdict::kSlower: return "slower";
    case ArmVerdict::kNotMeasured: return "not_measured";
    case ArmVerdict::kNotRun: return "not_run";
  }
  return "not_run";
}

void fill_ablation_table(AblationTable& table, Ablation ablation, const std::vector<const RunRecord*>& records) {
  table.ablation = std::move(ablation);
  Filling(table, records).run();
}

std::optional<double> last_latent_percent(const FidelityComparison& comparison) {
  if (comparison.latents.empty() || !comparison.latents.back().relative_l2.has()) return std::nullopt;
  return kPercent * *comparison.latents.back().relative_l2.value;
}

std::string arm_fidelity_text(const AblationRow& row) {
  if (!row.fidelity) return row.why_no_fidelity;
  const FidelityComparison& comparison = row.fidelity->comparison();
  if (comparison.identical) return "identical";
  std::vector<std::string> parts;
  for (const char* metric : {"psnr", "ssim"})
    if (std::string text = score_text(comparison, metric); !text.empty()) parts.push_back(std::move(text));
  if (const auto latent = last_latent_percent(comparison))
    parts.push_back(fmt::format("last latent {:.3g} % off", *latent));
  return parts.empty() ? fidelity_reason(comparison.why_no_scores) : fmt::format("{}", fmt::join(parts, ", "));
}

}  // namespace wan
