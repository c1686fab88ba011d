// Reads the watched tree, the machine and one card at a fixed period, from the watching process. It keeps raw readings;
// what they mean for a stage is account.h's.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <vector>

#include "measure/gpu.h"
#include "measure/proc.h"

namespace wan::measure {

/// All that was read while a run went on, in order of time.
struct Samples {
  int64_t period_ns = 0;
  std::vector<TreeReading> tree;
  std::vector<MachineReading> machine;  // one beside each of the tree's
  std::vector<GpuReading> gpu;
  std::vector<ActivityReading> activity;
  std::string gpu_reason;       // why there are no GPU readings
  std::string activity_reason;  // why there is no SM activity
  std::string activity_source;
  int64_t sampler_cpu_ns = 0;  // what reading cost the watching process
};

class Sampler {
 public:
  static constexpr int64_t kPeriodNs = 100'000'000;

  /// `gpu` may be nullptr, then `gpu_reason` says why; it must outlive the sampler.
  Sampler(Gpu* gpu, std::string gpu_reason, int64_t period_ns = kPeriodNs);

  /// When the next reading is due.
  int64_t due_ns() const { return due_ns_; }
  /// Reads everything now and sets the next due time.
  void sample(pid_t root);
  const Samples& samples() const { return samples_; }
  Samples take() { return std::move(samples_); }

 private:
  Gpu* gpu_;
  Samples samples_;
  int64_t due_ns_ = 0;
};

}  // namespace wan::measure
