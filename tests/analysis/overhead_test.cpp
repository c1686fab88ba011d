// Overhead from invented steps whose answer is known.
#include "analysis/overhead.h"

#include <gtest/gtest.h>

namespace wan {
namespace {

constexpr int64_t kBlock = 6;

/// Blocks of six steps: `off_s` a step, 1 % more with the monitor on, `drift_s` more from step to step. Edge steps are
/// spoiled.
std::vector<MonitoredStep> steps(int64_t blocks, double off_s, double drift_s = 0) {
  std::vector<MonitoredStep> result;
  for (int64_t i = 0; i < blocks * kBlock; ++i) {
    const int64_t block = i / kBlock, place = i % kBlock;
    const bool on = monitored_block(block), edge = place < kSettlingSteps || place == kBlock - 1;
    result.push_back({block, place, on, edge ? 99 : off_s * (on ? 1.01 : 1) + drift_s * double(i)});
  }
  return result;
}

TEST(Overhead, BlocksAlternateSoThatDriftFavoursNeither) {
  const bool expected[] = {true, false, false, true, true, false, false, true};
  for (int64_t block = 0; block < 8; ++block) EXPECT_EQ(monitored_block(block), expected[block]) << block;
}

TEST(Overhead, IsTheMedianOverPairsWithoutTheEdges) {
  const auto pairs = overhead_pairs(steps(8, 0.4), kBlock);
  ASSERT_EQ(pairs.size(), 4u);
  EXPECT_DOUBLE_EQ(pairs[1].off_s, 0.4);
  EXPECT_DOUBLE_EQ(pairs[1].on_s, 0.404);
  const Estimate percent = overhead_percent(pairs);
  EXPECT_NEAR(percent.median, 1, 1e-9);
  EXPECT_NEAR(percent.interval->high, 1, 1e-9);
}

/// A drift of 0.05 % a step is 0.3 % a block: each pair is off by that, up in one and down in the next.
TEST(Overhead, ASlowDriftCancelsOverPairs) {
  const Estimate percent = overhead_percent(overhead_pairs(steps(40, 0.4, 0.4 * 0.0005), kBlock));
  EXPECT_NEAR(percent.median, 1, 0.1);
  EXPECT_LT(percent.interval->low, 0.8);
  EXPECT_GT(percent.interval->high, 1.2);
}

TEST(Overhead, LeavesOutBlocksThatLackSteps) {
  auto cut = steps(6, 0.4);
  cut.resize(cut.size() - 3);
  EXPECT_EQ(overhead_pairs(cut, kBlock).size(), 2u);
  cut.erase(cut.begin() + 2);  // a counted step of the first block
  EXPECT_EQ(overhead_pairs(cut, kBlock).size(), 1u);
  EXPECT_TRUE(overhead_pairs({}, kBlock).empty());
  EXPECT_TRUE(overhead_pairs(steps(1, 0.4), kBlock).empty());
}

}  // namespace
}  // namespace wan
