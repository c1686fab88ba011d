// Reads the watched tree, the machine and one card at a fixed period, from the watching process. It keeps raw readings;
// what they mean for a stage is account.h's.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "measure/counter_clock.h"
#include "measure/counters.h"
#include "measure/dcgm_sampler.h"
#include "measure/gpu.h"
#include "measure/proc.h"

namespace wan::measure {

/// Hardware counters over the run from the best source that gave any.
struct Activity {
  std::vector<ActivityReading> readings;
  std::string source;  // as source_name; empty: there are none
  std::string reason;  // why not, or why nothing better
};

/// All that was read while a run went on, in order of time.
struct Samples {
  int64_t period_ns = 0;
  std::vector<TreeReading> tree;
  std::vector<MachineReading> machine;  // one beside each of the tree's
  std::vector<GpuReading> gpu;
  std::vector<ActivityReading> activity;  // read by the watching process
  std::vector<CounterBatch> counters;     // read by the engine's process, by the device's clock
  std::string gpu_reason;                 // why there are no GPU readings
  std::string activity_reason;            // why there is no SM activity: every rung that was tried
  std::string activity_source;            // of `activity`
  std::string counter_names;              // of `counters`, by the source's names
  int64_t sampler_cpu_ns = 0;             // what reading cost the watching process
};

/// The series that covers more of the run.
Activity activity_of(const Samples& samples);
/// SM activity as last read, for a display.
std::optional<double> latest_sm(const Samples& samples);

class Sampler {
 public:
  static constexpr int64_t kPeriodNs = 100'000'000;

  /// `gpu` may be nullptr, then `gpu_reason` says why; it must outlive the sampler. Counters are read from `first`
  /// down.
  Sampler(Gpu* gpu, std::string gpu_reason, CounterRung first, int64_t period_ns = kPeriodNs);

  /// When the next reading is due.
  int64_t due_ns() const { return due_ns_; }
  /// Reads everything now and sets the next due time.
  void sample(pid_t root);
  /// Ends what a host engine counts for this sampler, until the next `sample`.
  void pause() { dcgm_.reset(); }
  /// What the engine's process says of its counters: which they are, a batch of them, or why it reads none (any more);
  /// then the next rung is read here.
  void name_counters(const std::string& names) { samples_.counter_names = names; }
  void add_counters(CounterBatch batch) { samples_.counters.push_back(std::move(batch)); }
  void refuse_counters(const std::string& reason);
  const Samples& samples() const { return samples_; }
  Samples take() { return std::move(samples_); }

 private:
  void step_down_to(CounterRung rung);
  void refuse(CounterRung rung, const std::string& reason);
  void read_counters();
  void read_dcgm();

  Gpu* gpu_;
  CounterRung rung_ = CounterRung::kNone;
  std::unique_ptr<DcgmSampler> dcgm_;  // while it counts
  Samples samples_;
  int64_t due_ns_ = 0;
};

}  // namespace wan::measure
