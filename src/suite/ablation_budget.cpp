#include "suite/ablation_budget.h"

#include <algorithm>
#include <numeric>
#include <set>

#include <fmt/format.h>

#include "base/duration.h"
#include "results/stage_role.h"

namespace wan::suite {
namespace {

constexpr double kAround = 3;  // seconds of a run beside its total: looking at an idle card, starting, ending

const RunRecord* run_of(const std::string& arm, const std::vector<RunRecord>& runs) {
  const auto found = std::find_if(runs.rbegin(), runs.rend(), [&](const RunRecord& run) {
    return run.run_case.name == arm && run.status == RunStatus::kOk && !run.fidelity && total_stage(run) != nullptr;
  });
  return found == runs.rend() ? nullptr : &*found;
}

double total_seconds(const RunRecord& run) { return double(total_stage(run)->wall_ns) * 1e-9; }

double denoising_seconds(const RunRecord& run) {
  const std::vector<double> steps = step_seconds(run);
  return std::accumulate(steps.begin(), steps.end(), 0.0);
}

}  // namespace

std::optional<double> expected_seconds(const Ablation& ablation, const std::string& arm,
                                       const std::vector<RunRecord>& so_far) {
  const auto found = std::find_if(ablation.arms.begin(), ablation.arms.end(),
                                  [&](const AblationArm& known) { return known.name == arm; });
  if (found == ablation.arms.end()) return std::nullopt;
  if (const RunRecord* own = run_of(arm, so_far)) return total_seconds(*own) + kAround;
  const RunRecord* base = run_of(ablation.arms.front().name, so_far);
  const std::optional<int64_t> forwards = found->forwards_planned ? found->forwards_planned : found->forwards_in_all;
  if (base == nullptr || !forwards || !base->forwards.has() || base->forwards.value->computed == 0)
    return found->expected_s ? std::optional(*found->expected_s + kAround) : std::nullopt;
  const double share = double(*forwards) / double(base->forwards.value->computed);
  return total_seconds(*base) + (share - 1) * denoising_seconds(*base) + kAround;
}

double judging_seconds(const Workload& work, int threads) {
  constexpr double kPixelsPerSecond = 1.2e6;  // of one thread, all metrics (docs/results/h200-fidelity.md)
  const double pixels =
      double(work.width.value_or(0)) * double(work.height.value_or(0)) * double(work.num_frames.value_or(0));
  return pixels / kPixelsPerSecond / std::max(1, threads);
}

std::string why_left_out(const Ablation& ablation, const std::string& arm, const std::vector<RunRecord>& so_far,
                         Seconds elapsed, Seconds limit, int threads) {
  if (limit.value <= 0 || arm == ablation.arms.front().name) return "";
  const std::optional<double> expected = expected_seconds(ablation, arm, so_far);
  if (!expected) return "";
  std::set<std::string> judged{arm};  // that are still to be compared
  for (const RunRecord& run : so_far)
    if (run.run_case.name != ablation.arms.front().name) judged.insert(run.run_case.name);
  for (const RunRecord& run : so_far)
    if (run.fidelity) judged.erase(run.run_case.name);
  const double comparing =
      so_far.empty() ? 0 : double(judged.size()) * judging_seconds(so_far.front().workload, threads);
  const double left = limit.value - elapsed.value;
  if (*expected + comparing <= left) return "";
  return fmt::format("{} of the time limit are left, it is expected to take {} and the comparisons {}",
                     duration_text(std::max(0.0, left)), duration_text(*expected), duration_text(comparing));
}

}  // namespace wan::suite
