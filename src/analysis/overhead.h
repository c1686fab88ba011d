// What watching a run costs, from steps that were made with the monitor on and off in turn.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "analysis/estimate.h"
#include "results/overhead.h"

namespace wan {

/// One step of a video cut into blocks of equal length; the monitor is on or off for a whole block.
struct MonitoredStep {
  int64_t block = 0;
  int64_t place = 0;  // in its block, from 0
  bool monitored = false;
  double seconds = 0;
};

/// Steps at a block's edges that do not count: the first two, in which a monitor starts or stops, and the last, at
/// whose end the next change may have begun.
inline constexpr int64_t kSettlingSteps = 2;
inline constexpr int64_t kTrailingSteps = 1;

/// Whether the monitor is on in this block: on, off, off, on, and so on, so that a slow drift favours neither.
bool monitored_block(int64_t block);

/// Medians of the blocks, two by two. Blocks that lack steps, and a last one without a partner, are left out.
std::vector<OverheadPair> overhead_pairs(std::span<const MonitoredStep> steps, int64_t steps_in_block);

/// The median over pairs of on / off - 1, in percent, with its interval. Not empty.
Estimate overhead_percent(std::span<const OverheadPair> pairs);

}  // namespace wan
