#include "analysis/overhead.h"

#include <map>

#include "analysis/statistics.h"

namespace wan {

bool monitored_block(int64_t block) { return block % 4 == 0 || block % 4 == 3; }

std::vector<OverheadPair> overhead_pairs(std::span<const MonitoredStep> steps, int64_t steps_in_block) {
  struct Block {
    bool monitored = false;
    std::vector<double> seconds;
  };
  std::map<int64_t, Block> blocks;
  const int64_t counted = steps_in_block - kSettlingSteps - kTrailingSteps;
  for (const MonitoredStep& step : steps) {
    if (step.place < kSettlingSteps || step.place >= steps_in_block - kTrailingSteps) continue;
    blocks[step.block].monitored = step.monitored;
    blocks[step.block].seconds.push_back(step.seconds);
  }
  std::vector<OverheadPair> pairs;
  const auto whole = [&](int64_t block) {
    const auto found = blocks.find(block);
    return found != blocks.end() && int64_t(found->second.seconds.size()) == counted ? &found->second : nullptr;
  };
  for (int64_t first = 0; !blocks.empty() && first < blocks.rbegin()->first; first += 2) {
    const Block *one = whole(first), *other = whole(first + 1);
    if (one == nullptr || other == nullptr || one->monitored == other->monitored) continue;
    const Block &on = one->monitored ? *one : *other, &off = one->monitored ? *other : *one;
    pairs.push_back({median(off.seconds), median(on.seconds)});
  }
  return pairs;
}

Estimate overhead_percent(std::span<const OverheadPair> pairs) {
  std::vector<double> percent;
  for (const OverheadPair& pair : pairs) percent.push_back(100 * (pair.on_s / pair.off_s - 1));
  return estimate(percent);
}

}  // namespace wan
