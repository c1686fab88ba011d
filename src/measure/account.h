// From spans and readings to the stages of a record. Leaves tile Total_Execution; what none of them covers is
// Unattributed. A pure function: no clock, no process.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/stage.h"
#include "measure/sampler.h"
#include "results/record.h"

namespace wan::measure {

/// What the engine's allocator said of a stage.
struct StageMemory {
  StageId stage;
  std::map<std::string, uint64_t> device_bytes, host_bytes;
  std::optional<uint64_t> device_peak_bytes{};  // all of the engine's, components or not
};

/// One run as it was seen from outside, and from inside where the engine told.
struct RunTimeline {
  Interval total;                // exec of the process to its exit, by the watching process's clock
  std::vector<StageSpan> spans;  // in any order
  std::vector<StageMemory> memory;
  std::vector<TreeReading> boundaries;  // the process's own readings at stage boundaries, in order
  bool from_process_start = true;       // else counters had risen before: a warm video
  int64_t exit_cpu_ns = 0;              // accounted by the kernel at exit; 0: the process went on
  uint64_t exit_peak_rss_bytes = 0;
  std::string span_source = "clock";  // clock, cuda_event, log, ...
};

struct Account {
  /// Leaves in order of time, their components and hidden work after each, Unattributed, Total_Execution.
  std::vector<StageRecord> stages;
  /// Energy and SM-seconds, each over leaves and Unattributed together and over the whole run at once, as far as the
  /// readings reach; left out where that is less than 95 % of the run.
  std::vector<IntegralCheck> integrals;
};
Account account(const RunTimeline& timeline, const Samples& samples);

}  // namespace wan::measure
