// What follows from the roles of a run's leaves.
#include "results/stage_role.h"

#include "results/steps.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace wan {
namespace {

StageRecord leaf(const char* name, int64_t index, double seconds) {
  StageRecord stage;
  stage.id = stage.name = name;
  stage.role = stage_from_name(name).role;
  stage.index = index;
  stage.wall_ns = static_cast<int64_t>(seconds * 1e9);
  return stage;
}

TEST(StageRole, StepsAreListedByNumberWithoutTheirLoadingAndParts) {
  std::vector<StageRecord> stages = {leaf("Step_1_Inference", 1, 2), leaf("Step_0_Loading", 0, 7),
                                     leaf("Step_0_Inference", 0, 3), leaf("Step_2_Inference", 2, 9)};
  stages.back().kind = StageKind::kHidden;
  EXPECT_THAT(step_seconds(stages), testing::ElementsAre(3, 2));
}

TEST(StageRole, StepsOfClipsAreOneSeriesEach) {
  const std::vector<StageRecord> stages = {leaf("Clip_0_Step_0_Inference", 0, 3), leaf("Clip_0_Step_1_Inference", 1, 2),
                                           leaf("Clip_1_Step_1_Inference", 1, 5),
                                           leaf("Clip_1_Step_0_Inference", 0, 6)};
  const auto clips = steps_by_clip(stages);
  ASSERT_EQ(clips.size(), 2u);
  EXPECT_THAT(step_seconds(clips[1]), testing::ElementsAre(6, 5));
  EXPECT_THAT(step_seconds(stages), testing::ElementsAre(3, 2, 6, 5));
  RunRecord run;
  run.stages = stages;
  EXPECT_EQ(step_series(run)->first_s, 6) << "the last clip's";
  EXPECT_EQ(step_series(run)->steady_median_s, 5);
}

TEST(StageRole, TheWarmTotalNeedsTextStepAndDecoding) {
  RunRecord run;
  run.stages = {leaf("Model_Initialization", -1, 50), leaf("T5_Encoding", -1, 1),     leaf("VAE_Encoding", -1, 2),
                leaf("Step_0_Loading", 0, 4),         leaf("Step_0_Inference", 0, 8), leaf("VAE_Decoding", -1, 16),
                leaf("Output_Encoding", -1, 32)};
  EXPECT_EQ(warm_total_ns(run), 31'000'000'000);
  for (const size_t needed : {1u, 4u, 5u}) {
    RunRecord without = run;
    without.stages.erase(without.stages.begin() + static_cast<std::ptrdiff_t>(needed));
    EXPECT_FALSE(warm_total_ns(without)) << run.stages[needed].name;
  }
}

}  // namespace
}  // namespace wan
