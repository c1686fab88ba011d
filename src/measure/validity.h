// Reasons to doubt a run, found in what was read around and during it. Pure functions but the probe itself.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "measure/account.h"
#include "measure/gpu.h"
#include "results/record.h"
#include "results/steps.h"

namespace wan::measure {

/// A card before the run: who was on it, and how busy it was.
struct IdleProbe {
  bool done = false;
  std::vector<pid_t> processes;
  std::optional<double> busiest;  // largest of SM activity and gpu_busy over the probe, 0 to 1
};

/// Watches the card for `length_ns`, about 2 s; a skipped probe when there is no card.
IdleProbe probe_idle(Gpu* gpu, int64_t length_ns);

struct ValidityInput {
  const Samples& samples;
  const std::vector<StageRecord>& stages;
  const IdleProbe& probe;
  Interval total;
  double cores_allowed = 1;
  bool on_gpu = false;
  std::optional<int> pcie_width_max;
  std::span<const IntegralCheck> integrals{};
  std::optional<uint64_t> gpu_memory_limit_bytes{};  // that the run was to keep to
  StepWork step_work = StepWork::kAlike;
};

/// Limits, as fractions unless said otherwise.
inline constexpr double kIdleLimit = 0.02;        // a card this busy before the run is not ours alone
inline constexpr double kOtherCpuLimit = 0.25;    // of the allowed cores, used by others on average
inline constexpr double kThrottleLimit = 0.01;    // of the steps' time under a hardware or thermal slowdown
inline constexpr double kIntegralLimit = 0.02;    // between the sum over stages and the whole run
inline constexpr size_t kLeastSteps = 5;          // for saying that they run at two speeds or drift
inline constexpr int64_t kStallNs = 400'000'000;  // without a reading, and four times as long as between two usually
inline constexpr uint64_t kSwapLimitPages = 256;  // 1 MiB of 4 KiB pages brought back during the run

std::vector<ValidityFlag> judge(const ValidityInput& input);

}  // namespace wan::measure
