// From kernels in time and stages in time to the tables of a record. Pure functions: no clock, no library.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "measure/windows.h"
#include "results/kernel_events.h"

namespace wan::measure {

inline constexpr uint32_t kNoLaunch = UINT32_MAX;

/// One kernel or copy, by the host's clock. Millions are kept: 40 bytes each.
struct KernelRun {
  Interval interval;
  uint32_t name = 0;            // index into the names
  uint32_t launch = kNoLaunch;  // index into the launches
  uint32_t stream = 0, correlation = 0;
  int64_t bytes = 0;
};

/// Kernels and copies that are in no table, by why not.
struct MissingKernels {
  int64_t without_time = 0;    // CUPTI gave them no begin
  int64_t end_first = 0;       // CUPTI gave them an end before their begin
  int64_t beyond_kept = 0;     // more than are kept
  int64_t dropped = 0;         // by CUPTI, which had no buffer for them; calls of the host may be among them
  int64_t outside_stages = 0;  // have a time, which lies in no stage
  int64_t calls_beyond = 0;    // calls of the host, more than are kept; in no table anyway
  bool operator==(const MissingKernels&) const = default;

  /// Those of which no time is known.
  int64_t lost() const { return without_time + end_first + beyond_kept + dropped; }
};

/// "300 without a time, 2 begun outside every stage"; empty: none is missing.
std::string describe(const MissingKernels& missing);

/// A stage in time; windows of one name share a table.
struct StageWindow {
  std::string stages;
  Interval interval;
};

/// The name of the windows of denoising steps.
inline constexpr const char* kStepStages = "Step_*";

/// Kernels listed by name in a table; the rest is summed.
inline constexpr size_t kListedKernels = 20;

/// One table for each name of windows, in order of first appearance. A kernel counts in the window it begins in; its
/// time counts where it lies. Windows are in order of time and do not overlap.
std::vector<KernelTable> tabulate_kernels(std::vector<KernelRun> runs, const std::vector<KernelName>& names,
                                          const std::vector<StageWindow>& windows);

/// Of that many runs, how many began in none of the windows of their tables.
int64_t begun_outside(size_t runs, const std::vector<KernelTable>& tables);

}  // namespace wan::measure
