// How NVTX ranges become stages.
#include "suite/range_stages.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace wan::suite {
namespace {

std::vector<std::string> described(const RangeStages& stages) {
  std::vector<std::string> texts;
  for (const StageSpan& span : stages.spans)
    texts.push_back(span.stage.name + (span.component.empty() ? "" : "/" + span.component) +
                    (span.hidden ? " beside" : ""));
  return texts;
}

TEST(RangeStages, OutermostRangesAreLeavesAndWhatNestsIsTheirPart) {
  // In the order they close.
  const RangeStages stages = stages_of_ranges(
      {{"load", 1, 0, 0, 10}, {"attention", 1, 1, 12, 18}, {"step", 1, 0, 10, 20}, {"step", 1, 0, 20, 30}});
  EXPECT_THAT(described(stages), ::testing::ElementsAre("load", "step", "step#2", "step/attention"));
  EXPECT_EQ(stages.spans[1].begin_ns, 10);
  EXPECT_EQ(stages.spans[1].end_ns, 20);
  EXPECT_EQ(stages.left_out, "");
}

TEST(RangeStages, TheThreadThatCoversMostTimeHasTheStages) {
  const RangeStages stages = stages_of_ranges(
      {{"read", 2, 0, 1, 3}, {"read", 2, 0, 4, 6}, {"read", 2, 0, 200, 201}, {"generate", 1, 0, 0, 100}});
  EXPECT_THAT(described(stages), ::testing::ElementsAre("generate", "generate/read beside", "generate/read beside"));
  EXPECT_THAT(stages.left_out, ::testing::StartsWith("1 NVTX ranges"));
}

TEST(RangeStages, LeavesNeverOverlapAndInstantsAreNone) {
  const RangeStages stages =
      stages_of_ranges({{"a", 1, 0, 0, 10}, {"b", 1, 0, 5, 15}, {"mark", 1, 1, 7, 7}, {"same", 1, 1, 0, 10}});
  EXPECT_THAT(described(stages), ::testing::ElementsAre("a", "a/same", "a/b beside", "a/mark"));
}

TEST(RangeStages, ATraceIsNoStages) {
  std::vector<Range> ranges;
  for (int i = 0; i < 1001; ++i) ranges.push_back({"op", 1, 0, 2 * i, 2 * i + 1});
  const RangeStages stages = stages_of_ranges(ranges);
  EXPECT_TRUE(stages.spans.empty());
  EXPECT_THAT(stages.left_out, ::testing::HasSubstr("1001 outermost"));
  EXPECT_TRUE(stages_of_ranges({}).spans.empty());
}

}  // namespace
}  // namespace wan::suite
