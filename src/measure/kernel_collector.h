// Every kernel and copy of this process, and every call of CUDA, as CUPTI's activity records say them. It slows what it
// watches: for a run that is made to explain, not to time.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "measure/kernel_table.h"

namespace wan::measure {

/// What was collected. Times are CLOCK_MONOTONIC.
struct CollectedKernels {
  std::vector<KernelRun> runs;
  std::vector<HostCall> calls;
  std::vector<KernelName> names;
  std::vector<LaunchShape> launches;
  std::vector<std::string> call_names;
  std::vector<HostThread> threads;
  MissingKernels missing;  // all but those outside of stages, of which a collector knows nothing
};

/// Collects from its making to its end. One at a time in a process: a second one collects nothing and says so.
class KernelCollector {
 public:
  /// Make it before the first CUDA call. Never throws: where CUPTI is absent or refuses, `reason` says why.
  KernelCollector();
  ~KernelCollector();
  KernelCollector(const KernelCollector&) = delete;
  KernelCollector& operator=(const KernelCollector&) = delete;

  /// Why nothing is collected; empty: all is well.
  const std::string& reason() const;

  /// What ended since the last call. The device must be idle, else what still runs is missing.
  CollectedKernels take();

 private:
  class Activity;
  std::unique_ptr<Activity> activity_;
};

}  // namespace wan::measure
