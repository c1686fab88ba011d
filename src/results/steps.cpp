// Step series.
#include "results/steps.h"

#include <cmath>
#include <numeric>

#include "results/stage_role.h"

namespace wan {

StepSeries analyse_steps(std::span<const double> seconds, StepWork work) {
  StepSeries out;
  out.first_s = seconds[0];
  const std::span<const double> steady = seconds.size() > 1 ? seconds.subspan(1) : seconds;
  out.steady_median_s = work == StepWork::kAlike
                            ? median(steady)
                            : std::accumulate(steady.begin(), steady.end(), 0.0) / static_cast<double>(steady.size());
  out.first_over_steady = out.first_s / out.steady_median_s;
  if (steady.size() < 2 || work == StepWork::kReusing) return out;
  out.drift = theil_sen_slope(steady) * static_cast<double>(steady.size() - 1) / out.steady_median_s;
  out.p90_over_p10 = quantile(steady, 0.9) / quantile(steady, 0.1);
  out.change = change_point(steady, kChangePointStep);
  if (out.change) ++out.change->index;
  out.drifts = std::abs(out.drift) > kDriftLimit;
  out.bimodal = out.p90_over_p10 > kBimodalLimit || out.change.has_value();
  const double spread = scaled_mad(steady);
  for (size_t i = 0; i < steady.size(); ++i) {
    const double away = std::abs(steady[i] - out.steady_median_s);
    if (away > kOutlierMads * spread && away > kOutlierStep * out.steady_median_s) {
      out.outliers.push_back(static_cast<int64_t>(i + (seconds.size() - steady.size())));
    }
  }
  return out;
}

StepWork step_work(const Measured<ForwardCounts>& forwards) {
  return forwards.has() && forwards.value->reused > 0 ? StepWork::kReusing : StepWork::kAlike;
}

std::optional<StepSeries> step_series(const RunRecord& run) {
  const auto clips = steps_by_clip(run.stages);
  if (clips.empty()) return std::nullopt;
  return analyse_steps(step_seconds(clips.back()), step_work(run.forwards));
}

}  // namespace wan
