// The stopping rule on invented values with known answers.
#include "measure/stopping.h"

#include <random>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace wan::measure {
namespace {

using testing::HasSubstr;

TEST(Stopping, StopsAtFiveAlikeRunsAndNotBefore) {
  const SettlingSeries four{"steady step", 0.01, {1, 1, 1, 1}}, five{"steady step", 0.01, {1, 1, 1, 1, 1}};
  EXPECT_EQ(decide_stopping({&four, 1}, 4, 4, {}).verdict, StoppingVerdict::kGoOn);
  EXPECT_EQ(decide_stopping({&five, 1}, 5, 5, {}).verdict, StoppingVerdict::kConverged);
}

TEST(Stopping, EveryQuantityMustSettle) {
  const std::vector<SettlingSeries> series = {{"steady step", 0.01, {1, 1, 1, 1, 1}},
                                              {"initialization", 0.05, {1, 1.2, 1, 1.2, 1}}};
  EXPECT_EQ(decide_stopping(series, 5, 5, {}).verdict, StoppingVerdict::kGoOn);
  const StoppingDecision last = decide_stopping(series, 15, 5, {});
  EXPECT_EQ(last.verdict, StoppingVerdict::kNotConverged);
  EXPECT_THAT(last.text, HasSubstr("initialization: 5 values, half-width 10.0 %, target 5 %"));
  EXPECT_THAT(last.text, testing::Not(HasSubstr("steady step")));
}

TEST(Stopping, TheTimeCapStopsEvenBelowTheLeastRuns) {
  const SettlingSeries two{"steady step", 0.01, {1, 1}};
  StoppingRule rule;
  EXPECT_EQ(decide_stopping({&two, 1}, 2, 1e6, rule).verdict, StoppingVerdict::kGoOn);
  rule.max_seconds = 60;
  EXPECT_EQ(decide_stopping({&two, 1}, 2, 59, rule).verdict, StoppingVerdict::kGoOn);
  EXPECT_EQ(decide_stopping({&two, 1}, 2, 60, rule).verdict, StoppingVerdict::kNotConverged);
}

TEST(Stopping, GivesUpOnACaseThatNeverCounts) {
  EXPECT_EQ(decide_stopping({}, 4, 4, {}).verdict, StoppingVerdict::kGoOn);
  EXPECT_EQ(decide_stopping({}, 5, 5, {}).verdict, StoppingVerdict::kNotConverged);
}

TEST(Stopping, RunsOnNormalNoiseStopSoonerTheQuieterTheyAre) {
  std::mt19937 random(5);
  const auto runs_until_stop = [&](double noise) {
    std::normal_distribution<double> value(1, noise);
    SettlingSeries series{"steady step", 0.01, {}};
    for (int64_t runs = 1;; ++runs) {
      series.values.push_back(value(random));
      if (decide_stopping({&series, 1}, runs, 0, {}).verdict != StoppingVerdict::kGoOn) return runs;
    }
  };
  EXPECT_EQ(runs_until_stop(0.001), 5);
  EXPECT_EQ(runs_until_stop(0.1), 15);
}

}  // namespace
}  // namespace wan::measure
