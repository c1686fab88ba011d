// The stopping rule on invented runs with known answers.
#include "measure/stopping.h"

#include <algorithm>
#include <cmath>
#include <random>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace wan::measure {
namespace {

using testing::HasSubstr;

/// Half the width of the same interval by going through all n^n resamples.
double by_enumeration(std::vector<double> values) {
  const size_t n = values.size();
  const auto median = [](std::vector<double> v) {
    std::sort(v.begin(), v.end());
    return (v[(v.size() - 1) / 2] + v[v.size() / 2]) / 2;
  };
  std::vector<double> medians, resample(n);
  for (size_t code = 0; code < static_cast<size_t>(std::pow(n, n)); ++code) {
    for (size_t i = 0, rest = code; i < n; ++i, rest /= n) resample[i] = values[rest % n];
    medians.push_back(median(resample));
  }
  std::sort(medians.begin(), medians.end());
  const size_t tail = static_cast<size_t>(std::ceil(0.025 * double(medians.size()))) - 1;
  return (medians[medians.size() - 1 - tail] - medians[tail]) / 2 / median(values);
}

RunRecord run_of(RunScope scope, double start_s, std::vector<double> steps_s) {
  RunRecord run;
  run.workload.scope = scope;
  double total_s = start_s;
  const auto leaf = [](std::string name, int64_t index, double seconds) {
    StageRecord stage;
    stage.id = stage.name = std::move(name);
    stage.index = index;
    stage.wall_ns = std::llround(seconds * 1e9);
    return stage;
  };
  run.stages.push_back(leaf("Model_Initialization", -1, start_s));
  for (size_t i = 0; i < steps_s.size(); ++i) {
    // A step's weights may be brought in first, which is a stage of its own and no step.
    run.stages.push_back(leaf("Step_" + std::to_string(i) + "_Loading", int64_t(i), 0));
    run.stages.push_back(leaf("Step_" + std::to_string(i) + "_Inference", int64_t(i), steps_s[i]));
    total_s += steps_s[i];
  }
  run.stages.push_back(leaf("Total_Execution", -1, total_s));
  run.stages.back().kind = StageKind::kParent;
  return run;
}

std::vector<const RunRecord*> pointers(const std::vector<RunRecord>& runs) {
  std::vector<const RunRecord*> result;
  for (const RunRecord& run : runs) result.push_back(&run);
  return result;
}

TEST(Stopping, TheIntervalIsThatOfAllResamples) {
  for (const std::vector<double>& values : {std::vector<double>{9, 10},
                                            {9.7, 10, 10.9},
                                            {9, 10, 10.5, 13},
                                            {9, 9.5, 10, 10.1, 14},
                                            {9, 9.5, 10, 10.1, 11, 14}})
    EXPECT_NEAR(relative_half_width(values), by_enumeration(values), 1e-12) << values.size();
}

TEST(Stopping, FifteenRunsLeaveThreeOutOnEachSide) {
  std::vector<double> values;
  for (int i = 1; i <= 15; ++i) values.push_back(100 + i);
  // P(Binomial(15, 3/15) >= 8) = 0.4 % and P(Binomial(15, 4/15) >= 8) = 2.5 %: from the 4th to the 12th.
  EXPECT_NEAR(relative_half_width(values), (112.0 - 104) / 2 / 108, 1e-12);
}

TEST(Stopping, OneRunHasNoInterval) {
  EXPECT_TRUE(std::isinf(relative_half_width(std::vector<double>{3})));
  EXPECT_TRUE(std::isinf(relative_half_width(std::vector<double>{0, 0, 0})));
}

TEST(Stopping, StopsAtFiveAlikeRunsAndNotBefore) {
  const StoppingSeries four{"steady step", 0.01, {1, 1, 1, 1}}, five{"steady step", 0.01, {1, 1, 1, 1, 1}};
  EXPECT_EQ(decide_stopping({&four, 1}, 4, 4, {}).verdict, StoppingVerdict::kGoOn);
  EXPECT_EQ(decide_stopping({&five, 1}, 5, 5, {}).verdict, StoppingVerdict::kConverged);
}

TEST(Stopping, EveryQuantityMustSettle) {
  const std::vector<StoppingSeries> series = {{"steady step", 0.01, {1, 1, 1, 1, 1}},
                                              {"initialization", 0.05, {1, 1.2, 1, 1.2, 1}}};
  EXPECT_EQ(decide_stopping(series, 5, 5, {}).verdict, StoppingVerdict::kGoOn);
  const StoppingDecision last = decide_stopping(series, 15, 5, {});
  EXPECT_EQ(last.verdict, StoppingVerdict::kNotConverged);
  EXPECT_THAT(last.text, HasSubstr("initialization: 5 values, half-width 10.0 %, target 5 %"));
  EXPECT_THAT(last.text, testing::Not(HasSubstr("steady step")));
}

TEST(Stopping, TheTimeCapStopsEvenBelowTheLeastRuns) {
  const StoppingSeries two{"steady step", 0.01, {1, 1}};
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
    StoppingSeries series{"steady step", 0.01, {}};
    for (int64_t runs = 1;; ++runs) {
      series.values.push_back(value(random));
      if (decide_stopping({&series, 1}, runs, 0, {}).verdict != StoppingVerdict::kGoOn) return runs;
    }
  };
  EXPECT_EQ(runs_until_stop(0.001), 5);
  EXPECT_EQ(runs_until_stop(0.1), 15);
}

TEST(Stopping, TakesTheSteadyStepAndTheStartOfColdRuns) {
  std::vector<RunRecord> runs = {run_of(RunScope::kCold, 4, {9, 1, 3, 2}), run_of(RunScope::kCold, 5, {9, 4, 4, 4})};
  const auto series = stopping_series(pointers(runs));
  ASSERT_EQ(series.size(), 2u);
  EXPECT_EQ(series[0].name, "steady step");
  EXPECT_THAT(series[0].values, testing::ElementsAre(2, 4));
  EXPECT_EQ(series[1].name, "initialization");
  EXPECT_THAT(series[1].values, testing::ElementsAre(4, 5));
}

TEST(Stopping, TakesTheWarmTotalWithoutTheStart) {
  RunRecord run = run_of(RunScope::kWarm, 7, {1, 2});
  for (const char* name : {"T5_Encoding", "VAE_Decoding"}) {
    StageRecord stage;
    stage.id = stage.name = name;
    stage.wall_ns = 10'000'000'000;
    run.stages.push_back(stage);
  }
  const std::vector<RunRecord> runs = {run};
  const auto series = stopping_series(pointers(runs));
  ASSERT_EQ(series.size(), 2u);
  EXPECT_EQ(series[1].name, "warm total");
  EXPECT_DOUBLE_EQ(series[1].values[0], 23);
}

TEST(Stopping, TakesTheTotalOfRunsWithoutStages) {
  RunRecord bare;
  bare.stages.push_back(run_of(RunScope::kCold, 3, {}).stages.back());
  const std::vector<RunRecord> command = {bare};
  const auto series = stopping_series(pointers(command));
  ASSERT_EQ(series.size(), 1u);
  EXPECT_THAT(series[0].values, testing::ElementsAre(3));
}

TEST(Stopping, LeavesOutWhatReportsLeaveOut) {
  std::vector<RunRecord> runs(4, run_of(RunScope::kCold, 4, {1, 1}));
  runs[0].status = RunStatus::kCrash;
  runs[1].run_case.warmup = true;
  runs[2].validity.push_back({"swap", "", "", true});
  runs[3].validity.push_back({"software_power_cap", "", "", false});
  EXPECT_EQ(stopping_series(pointers(runs))[0].values.size(), 1u);
}

}  // namespace
}  // namespace wan::measure
