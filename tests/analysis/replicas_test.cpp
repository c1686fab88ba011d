// Videos an hour of several processes at once, of videos whose times are known.
#include "analysis/replicas.h"

#include <gtest/gtest.h>

namespace wan {
namespace {

TEST(RateTogether, CountsWhatIsMadeWhileAllAreAtWork) {
  // The first makes videos of 10 s from 0 to 40, the second of 5 s from 15 to 35: the window is from 15 to 35.
  const auto rate = rate_together({{{0, 10}, {10, 20}, {20, 30}, {30, 40}}, {{15, 20}, {20, 25}, {25, 30}, {30, 35}}});
  ASSERT_TRUE(rate.has_value());
  EXPECT_EQ(rate->window_s, 20);
  EXPECT_DOUBLE_EQ(rate->each_per_s[0], 0.1);
  EXPECT_DOUBLE_EQ(rate->each_per_s[1], 0.2);
  EXPECT_DOUBLE_EQ(rate->per_s, 0.3);
}

TEST(RateTogether, WaitingBetweenVideosCounts) { EXPECT_DOUBLE_EQ(rate_together({{{0, 10}, {30, 40}}})->per_s, 0.05); }

TEST(RateTogether, IsNoneWhereTheyWereNeverAllAtWork) {
  EXPECT_FALSE(rate_together({{{0, 10}}, {{10, 20}}}).has_value());
  EXPECT_FALSE(rate_together({{{0, 10}}, {}}).has_value());
  EXPECT_FALSE(rate_together({}).has_value());
}

TEST(MadeVideos, AreThoseThatEndedWellAndCount) {
  RunRecord run;
  run.run_case.name = "a";
  run.workload.scope = RunScope::kWarm;
  run.clock.origin_monotonic_ns = 5'000'000'000;
  StageRecord whole;
  whole.kind = StageKind::kParent;
  whole.wall_ns = 2'000'000'000;
  run.stages = {whole};
  RunRecord cold = run, warm_up = run, failed = run;
  cold.workload.scope = RunScope::kCold;
  cold.clock.origin_monotonic_ns = 1'000'000'000;
  warm_up.run_case.warmup = true;
  failed.status = RunStatus::kCrash;
  const std::vector<MadeVideo> warm = made_videos({&run, &cold, &warm_up, &failed}, "a");
  ASSERT_EQ(warm.size(), 1u);
  EXPECT_EQ(warm[0].begin_s, 5);
  EXPECT_EQ(warm[0].end_s, 7);
  EXPECT_EQ(made_videos({&cold, &warm_up}, "a").size(), 1u);
  EXPECT_TRUE(made_videos({&run}, "b").empty());
}

}  // namespace
}  // namespace wan
