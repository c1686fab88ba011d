#include "measure/stopping.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include <fmt/format.h>

#include "base/order_statistics.h"
#include "results/stage_role.h"
#include "results/steps.h"

namespace wan::measure {
namespace {

constexpr double kTail = 0.025;  // on each side of a 95 % interval

double choose(int n, int k) {
  double result = 1;
  for (int i = 1; i <= k; ++i) result *= double(n - k + i) / i;
  return result;
}

/// P(the `rank`th smallest of n draws from n values is among the `i` smallest values).
double order_cdf(int n, int rank, int i) {
  const double p = double(i) / n;
  double sum = 0;
  for (int k = rank; k <= n; ++k) sum += choose(n, k) * std::pow(p, k) * std::pow(1 - p, n - k);
  return sum;
}

/// Every value a resample's median can take, with its probability. `sorted` has at least 2 values.
std::vector<std::pair<double, double>> resampled_medians(const std::vector<double>& sorted) {
  const int n = static_cast<int>(sorted.size()), half = n / 2;
  std::vector<std::pair<double, double>> outcomes;
  for (int i = 1; i <= n; ++i) {
    const int rank = n % 2 == 1 ? half + 1 : half;
    double alone = order_cdf(n, rank, i) - order_cdf(n, rank, i - 1);
    if (n % 2 == 0)
      // The two middle draws fall on values i < j when `half` draws are at most i, one of them i, and the others at
      // least j, one of them j.
      for (int j = i + 1; j <= n; ++j) {
        const double low = std::pow(double(i) / n, half) - std::pow(double(i - 1) / n, half);
        const double high = std::pow(double(n - j + 1) / n, half) - std::pow(double(n - j) / n, half);
        const double both = choose(n, half) * low * high;
        outcomes.emplace_back((sorted[size_t(i - 1)] + sorted[size_t(j - 1)]) / 2, both);
        alone -= both;
      }
    outcomes.emplace_back(sorted[size_t(i - 1)], alone);
  }
  std::sort(outcomes.begin(), outcomes.end());
  return outcomes;
}

bool counts(const RunRecord& run) {
  return run.status == RunStatus::kOk && !run.run_case.warmup &&
         std::none_of(run.validity.begin(), run.validity.end(), [](const ValidityFlag& flag) { return flag.excludes; });
}

void add_step(StoppingSeries& into, const RunRecord& run) {
  const std::vector<double> seconds = step_seconds(run);
  if (!seconds.empty()) into.values.push_back(analyse_steps(seconds).steady_median_s);
}

void add_stage(StoppingSeries& into, const RunRecord& run, std::string_view id) {
  if (const StageRecord* stage = find_stage(run, id)) into.values.push_back(double(stage->wall_ns) * 1e-9);
}

void add_warm_total(StoppingSeries& into, const RunRecord& run) {
  if (const auto ns = warm_total_ns(run)) into.values.push_back(double(*ns) * 1e-9);
}

}  // namespace

double relative_half_width(std::span<const double> values) {
  constexpr double kInfinite = std::numeric_limits<double>::infinity();
  if (values.size() < 2) return kInfinite;
  std::vector<double> sorted(values.begin(), values.end());
  std::sort(sorted.begin(), sorted.end());
  const double centre = median(sorted);
  if (!(centre > 0)) return kInfinite;
  const auto outcomes = resampled_medians(sorted);
  double low = sorted.front(), high = sorted.back(), sum = 0;
  for (auto at = outcomes.begin(); at != outcomes.end(); ++at) {
    sum += at->second;
    if (sum >= kTail) {
      low = at->first;
      break;
    }
  }
  sum = 0;
  for (auto at = outcomes.rbegin(); at != outcomes.rend(); ++at) {
    sum += at->second;
    if (sum >= kTail) {
      high = at->first;
      break;
    }
  }
  return (high - low) / 2 / centre;
}

std::vector<StoppingSeries> stopping_series(std::span<const RunRecord* const> runs) {
  StoppingSeries step{"steady step", kSteadyStepTarget, {}}, warm{"warm total", kWarmTotalTarget, {}},
      total{"total", kWarmTotalTarget, {}}, start{"initialization", kHostStageTarget, {}},
      text{"text encoding on the CPU", kHostStageTarget, {}};
  for (const RunRecord* run : runs) {
    if (!counts(*run)) continue;
    add_step(step, *run);
    add_warm_total(warm, *run);
    add_stage(total, *run, "Total_Execution");
    if (run->workload.scope != RunScope::kCold) continue;
    add_stage(start, *run, "Model_Initialization");
    if (run->workload.text_encoder_device == "cpu") add_stage(text, *run, "T5_Encoding");
  }
  std::vector<StoppingSeries> series;
  for (StoppingSeries* one : {&step, &warm, &start, &text})
    if (!one->values.empty()) series.push_back(std::move(*one));
  if (series.empty() && !total.values.empty()) series.push_back(std::move(total));
  return series;
}

StoppingDecision decide_stopping(std::span<const StoppingSeries> series, int64_t runs, double seconds,
                                 const StoppingRule& rule) {
  if (series.empty() && runs >= rule.min_runs)
    return {StoppingVerdict::kNotConverged, fmt::format("{} runs and none that counts", runs)};
  std::string wide;
  for (const StoppingSeries& one : series) {
    const double width = relative_half_width(one.values);
    const auto values = static_cast<int64_t>(one.values.size());
    if (values >= rule.min_runs && width <= one.target) continue;
    wide += wide.empty() ? "" : "; ";
    wide += values < 2 ? fmt::format("{}: {} value that counts", one.name, values)
                       : fmt::format("{}: {} values, half-width {:.1f} %, target {:.0f} %", one.name, values,
                                     100 * width, 100 * one.target);
  }
  if (!series.empty() && wide.empty()) return {StoppingVerdict::kConverged, fmt::format("{} runs", runs)};
  const bool out_of_time = rule.max_seconds > 0 && seconds >= rule.max_seconds;
  if (runs < rule.max_runs && !out_of_time) return {};
  return {StoppingVerdict::kNotConverged,
          fmt::format("{} runs, {:.0f} s; {}", runs, seconds, wide.empty() ? "none that counts" : wide)};
}

}  // namespace wan::measure
