#include "measure/validity.h"

#include <poll.h>

#include <algorithm>
#include <cmath>
#include <set>

#include <fmt/format.h>

#include "base/clock.h"
#include "base/memory_size.h"
#include "base/order_statistics.h"
#include "results/stage_role.h"
#include "results/steps.h"

namespace wan::measure {
namespace {

void judge_strangers(const ValidityInput& in, std::vector<ValidityFlag>& flags) {
  std::set<pid_t> own, strangers(in.probe.processes.begin(), in.probe.processes.end());
  for (const TreeReading& tree : in.samples.tree) own.insert(tree.pids.begin(), tree.pids.end());
  const auto listed = [&](auto matches) {
    return std::any_of(in.samples.gpu.begin(), in.samples.gpu.end(), [&](const GpuReading& gpu) {
      return std::any_of(gpu.processes.begin(), gpu.processes.end(), matches);
    });
  };
  const bool own_listed = listed([&](const GpuProcess& process) { return own.contains(process.pid); });
  size_t most_on_card = 0;
  for (const GpuReading& gpu : in.samples.gpu) {
    most_on_card = std::max(most_on_card, gpu.processes.size());
    for (const GpuProcess& process : gpu.processes)
      // Where the driver never lists our own process it speaks of another pid namespace, and a new pid may be ours.
      if (own_listed && !own.contains(process.pid)) strangers.insert(process.pid);
  }
  std::erase_if(strangers, [&](pid_t pid) { return own.contains(pid); });
  // In another namespace only their number tells: more at once than the watched tree has.
  if (strangers.empty() && !own_listed && !own.empty() && most_on_card > own.size())
    flags.push_back({"foreign_gpu_process",
                     fmt::format("{} processes were on the card at once, ours are {}", most_on_card, own.size()), "",
                     true});
  if (strangers.empty()) return;
  std::string pids;
  for (const pid_t pid : strangers) pids += fmt::format("{}{}", pids.empty() ? "" : ", ", pid);
  flags.push_back({"foreign_gpu_process", fmt::format("other processes were on the card: {}", pids), "", true});
}

void judge_idle(const ValidityInput& in, std::vector<ValidityFlag>& flags) {
  if (!in.probe.busiest || *in.probe.busiest <= kIdleLimit) return;
  flags.push_back({"gpu_not_idle",
                   fmt::format("the card was {:.0f} % busy before the run, limit {:.0f} %", 100 * *in.probe.busiest,
                               100 * kIdleLimit),
                   "", true});
}

void judge_cpu(const ValidityInput& in, std::vector<ValidityFlag>& flags) {
  const auto total = std::find_if(in.stages.begin(), in.stages.end(),
                                  [](const StageRecord& stage) { return stage.kind == StageKind::kParent; });
  if (total == in.stages.end() || !total->other_cpu_core_ns.has() || total->wall_ns <= 0) return;
  const double cores = double(*total->other_cpu_core_ns.value) / double(total->wall_ns);
  if (cores <= kOtherCpuLimit * in.cores_allowed) return;
  // On a card the host's cores matter to a few stages only; there it is shown but the run still counts.
  flags.push_back({"cpu_interference",
                   fmt::format("other programs used {:.2f} of {:.0f} cores on average, limit {:.2f}", cores,
                               in.cores_allowed, kOtherCpuLimit * in.cores_allowed),
                   "", !in.on_gpu});
}

void judge_slowdown(const ValidityInput& in, std::vector<ValidityFlag>& flags) {
  double slowed_ns = 0, step_ns = 0;
  for (const StageRecord& stage : in.stages) {
    if (stage.role != StageRole::kStepInference || !stage.throttled_percent.has()) continue;
    slowed_ns += double(stage.wall_ns) * *stage.throttled_percent.value / 100;
    step_ns += double(stage.wall_ns);
  }
  if (step_ns > 0 && slowed_ns > kThrottleLimit * step_ns)
    flags.push_back({"thermal_slowdown",
                     fmt::format("{:.1f} % of the steps' time under a hardware or thermal slowdown, limit {:.0f} %",
                                 100 * slowed_ns / step_ns, 100 * kThrottleLimit),
                     "", true});
  const auto capped = std::count_if(in.samples.gpu.begin(), in.samples.gpu.end(), [](const GpuReading& gpu) {
    return gpu.slowdown && (*gpu.slowdown & kSoftwarePowerCap) != 0;
  });
  if (capped > 0)
    flags.push_back({"software_power_cap",
                     fmt::format("the power limit held the clocks in {:.0f} % of the readings: normal on long runs",
                                 100.0 * double(capped) / double(in.samples.gpu.size())),
                     "", false});
}

template <typename Reading>
std::vector<int64_t> times_of(const std::vector<Reading>& readings) {
  std::vector<int64_t> times;
  for (const Reading& reading : readings) times.push_back(reading.at_ns);
  return times;
}

/// On a card what was asked for before a stall does not wait; on a CPU every stage does.
bool waits_with_readings(const StageRecord& stage, bool on_gpu) {
  if (stage.kind != StageKind::kLeaf || !stage.begin_ns.has()) return false;
  return !on_gpu || stage.role == StageRole::kStepInference || stage.role == StageRole::kVaeDecoding;
}

/// The readings come from another process than the work. Where they stand still the driver, the machine or that
/// process was held, and the work may have waited, too.
void judge_stalls(const ValidityInput& in, std::vector<ValidityFlag>& flags) {
  const std::vector<int64_t> times = in.on_gpu ? times_of(in.samples.gpu) : times_of(in.samples.tree);
  if (times.size() < 3) return;
  std::vector<double> gaps;
  for (size_t i = 1; i < times.size(); ++i) gaps.push_back(double(times[i] - times[i - 1]));
  const double usual = median(gaps);
  std::string where;
  for (const StageRecord& stage : in.stages) {
    if (!waits_with_readings(stage, in.on_gpu)) continue;
    const int64_t begin = in.total.begin_ns + *stage.begin_ns.value, end = begin + stage.wall_ns;
    double still = 0;
    for (size_t i = 0; i < gaps.size(); ++i) {
      if (gaps[i] < std::max(double(kStallNs), 4 * usual)) continue;
      still += double(std::max<int64_t>(0, std::min(times[i + 1], end) - std::max(times[i], begin)));
    }
    if (still <= usual) continue;
    where += fmt::format("{}{} {:.2f} s", where.empty() ? "" : ", ", stage.name, still * 1e-9);
  }
  if (where.empty()) return;
  const char* cause = in.on_gpu
                          ? "of the card for a while, usually every {:.2f} s: {}; the driver or the machine was held, "
                            "for instance by a program that released much page-locked memory, and the stage may be "
                            "longer by that"
                          : "of the processes for a while, usually every {:.2f} s: {}; the machine or the watching "
                            "process was held, and the stage may be longer by that";
  flags.push_back({"stalled_readings",
                   fmt::format("no reading {}", fmt::format(fmt::runtime(cause), usual * 1e-9, where)), "", false});
}

/// A process of the run that is stopped does nothing, and the clock goes on.
void judge_stopped(const ValidityInput& in, std::vector<ValidityFlag>& flags) {
  int64_t stopped_ns = 0;
  const auto& tree = in.samples.tree;
  for (size_t i = 0; i < tree.size(); ++i) {
    if (tree[i].stopped == 0) continue;
    const int64_t until = i + 1 < tree.size() ? tree[i + 1].at_ns : in.total.end_ns;
    stopped_ns += std::max<int64_t>(0, std::min(until, in.total.end_ns) - std::max(tree[i].at_ns, in.total.begin_ns));
  }
  if (stopped_ns < kStallNs) return;
  flags.push_back({"stopped_process",
                   fmt::format("a process of the run was stopped for {:.2f} s, by SIGSTOP or a debugger",
                               double(stopped_ns) * 1e-9),
                   "", true});
}

void judge_swap(const ValidityInput& in, std::vector<ValidityFlag>& flags) {
  if (in.samples.machine.size() < 2) return;
  const uint64_t pages = in.samples.machine.back().swap_in_pages - in.samples.machine.front().swap_in_pages;
  if (pages > kSwapLimitPages)
    flags.push_back({"swap", fmt::format("{} pages came back from swap during the run", pages), "", true});
}

void judge_pcie(const ValidityInput& in, std::vector<ValidityFlag>& flags) {
  int widest = 0;
  for (const GpuReading& gpu : in.samples.gpu) widest = std::max(widest, gpu.pcie_width.value_or(0));
  if (!in.pcie_width_max || widest == 0 || widest >= *in.pcie_width_max) return;
  flags.push_back({"pcie_width_below_nominal",
                   fmt::format("{} lanes were in use, the card has {}", widest, *in.pcie_width_max), "", true});
}

void judge_integrals(const ValidityInput& in, std::vector<ValidityFlag>& flags) {
  for (const IntegralCheck& check : in.integrals) {
    if (std::abs(check.over_stages - check.whole_run) <= kIntegralLimit * std::abs(check.whole_run)) continue;
    flags.push_back({"integral_mismatch",
                     fmt::format("{}: {:.4g} over the stages, {:.4g} over the whole run, limit {:.0f} %",
                                 check.quantity, check.over_stages, check.whole_run, 100 * kIntegralLimit),
                     "", false});
  }
}

/// Steps at two speeds on a card are somebody else's work or changing clocks; on a CPU they may be mere noise.
void judge_steps_of(const std::vector<const StageRecord*>& steps, const ValidityInput& in,
                    std::vector<ValidityFlag>& flags) {
  const std::vector<double> seconds = step_seconds(steps);
  if (seconds.size() < kLeastSteps) return;
  const int clip = stage_from_name(steps.front()->name).clip;
  const std::string which = (clip < 0 ? "" : fmt::format("Clip_{}_", clip)) + "Step_*_Inference";
  const StepSeries series = analyse_steps(seconds, in.step_work);
  if (series.bimodal)
    flags.push_back({"bimodal",
                     series.change ? fmt::format("steps are {:+.1f} % from step {} on",
                                                 100 * series.change->relative_step, series.change->index)
                                   : fmt::format("the 90th percentile of the steps is {:.2f} times the 10th, limit {}",
                                                 series.p90_over_p10, kBimodalLimit),
                     which, in.on_gpu});
  else if (series.drifts)
    flags.push_back({"drift",
                     fmt::format("{:+.1f} % over the steps, limit {:.0f} %", 100 * series.drift, 100 * kDriftLimit),
                     which, false});
}

/// Each clip by itself: a later one does more in a step than the first.
void judge_steps(const ValidityInput& in, std::vector<ValidityFlag>& flags) {
  for (const auto& steps : steps_by_clip(in.stages)) judge_steps_of(steps, in, flags);
}

void judge_memory_limit(const ValidityInput& in, std::vector<ValidityFlag>& flags) {
  if (!in.gpu_memory_limit_bytes) return;
  for (const StageRecord& stage : in.stages) {
    const Measured<uint64_t>& peak = stage.device_memory.process_peak_bytes;
    if (stage.kind != StageKind::kParent || !peak.has() || *peak.value <= *in.gpu_memory_limit_bytes) continue;
    flags.push_back({"above_gpu_memory_limit",
                     fmt::format("the driver attributed {} to the process, its limit was {}",
                                 MemorySize{*peak.value}.text(), MemorySize{*in.gpu_memory_limit_bytes}.text()),
                     "", true});
  }
}

}  // namespace

IdleProbe probe_idle(Gpu* gpu, int64_t length_ns) {
  IdleProbe probe;
  if (gpu == nullptr) return probe;
  constexpr int kPauseMs = 150;  // above the 100 ms floor of the activity counters
  gpu->read_activity();          // what went before does not belong to the probe
  const int64_t end_ns = monotonic_ns() + length_ns;
  while (monotonic_ns() < end_ns) {
    ::poll(nullptr, 0, kPauseMs);
    const auto activity = gpu->read_activity();
    if (activity && activity->sm) probe.busiest = std::max(probe.busiest.value_or(0), *activity->sm);
  }
  const GpuReading reading = gpu->read();
  // The driver's own figure lags by up to a second and may still show what ended before: only without counters.
  if (!probe.busiest) probe.busiest = reading.gpu_busy;
  for (const GpuProcess& process : reading.processes) probe.processes.push_back(process.pid);
  probe.done = true;
  return probe;
}

std::vector<ValidityFlag> judge(const ValidityInput& input) {
  std::vector<ValidityFlag> flags;
  judge_strangers(input, flags);
  judge_idle(input, flags);
  judge_cpu(input, flags);
  judge_slowdown(input, flags);
  judge_stalls(input, flags);
  judge_stopped(input, flags);
  judge_swap(input, flags);
  judge_memory_limit(input, flags);
  judge_pcie(input, flags);
  judge_integrals(input, flags);
  judge_steps(input, flags);
  return flags;
}

}  // namespace wan::measure
