// From kernels in time and stages in time to the tables of a record. Pure functions: no clock, no library.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "measure/windows.h"
#include "results/record.h"

namespace wan::measure {

struct KernelName {
  std::string name;
  KernelKind kind = KernelKind::kOther;
};

/// One kernel or copy, by the host's clock. Millions are kept: 24 bytes each.
struct KernelRun {
  Interval interval;
  uint32_t name = 0;  // index into the names
};

/// A stage in time; windows of one name share a table.
struct StageWindow {
  std::string stages;
  Interval interval;
};

/// Kernels listed by name in a table; the rest is summed.
inline constexpr size_t kListedKernels = 20;

/// One table for each name of windows, in order of first appearance. A kernel counts in the window it begins in; its
/// time counts where it lies. Windows are in order of time and do not overlap.
std::vector<KernelTable> tabulate_kernels(std::vector<KernelRun> runs, const std::vector<KernelName>& names,
                                          const std::vector<StageWindow>& windows);

}  // namespace wan::measure
