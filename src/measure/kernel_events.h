// Which of the collected kernels and calls are kept one by one. Pure functions: no clock, no library.
#pragma once

#include <vector>

#include "measure/kernel_collector.h"

namespace wan::measure {

/// A call that launched nothing is kept from this length on: the shorter ones ask for an error or an attribute.
inline constexpr int64_t kShortCallNs = 2000;

/// The denoising step of median length, named "Step_3", the first left out where there are others: it pays for what the
/// others find done. Windows called "Step_*" are steps, in order; without one: a window without length.
StageWindow steady_step(const std::vector<StageWindow>& windows);

/// What ran within the window, if only in part, the calls that launched it, whenever that was, and all other calls
/// within of at least `kShortCallNs`; by begin, with the names that are used.
KernelEvents events_of(const CollectedKernels& collected, const StageWindow& window);

}  // namespace wan::measure
