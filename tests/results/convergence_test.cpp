// What must settle over runs, on invented runs with known answers.
#include "results/convergence.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

namespace wan {
namespace {

RunRecord run_of(RunScope scope, double start_s, std::vector<double> steps_s) {
  RunRecord run;
  run.workload.scope = scope;
  double total_s = start_s;
  const auto leaf = [](std::string name, int64_t index, double seconds) {
    StageRecord stage;
    stage.id = stage.name = std::move(name);
    stage.role = stage_from_name(stage.name).role;
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

TEST(Convergence, TakesTheSteadyStepAndTheStartOfColdRuns) {
  std::vector<RunRecord> runs = {run_of(RunScope::kCold, 4, {9, 1, 3, 2}), run_of(RunScope::kCold, 5, {9, 4, 4, 4})};
  const auto series = settling_series(pointers(runs));
  ASSERT_EQ(series.size(), 2u);
  EXPECT_EQ(series[0].name, "steady step");
  EXPECT_THAT(series[0].values, testing::ElementsAre(2, 4));
  EXPECT_EQ(series[1].name, "initialization");
  EXPECT_THAT(series[1].values, testing::ElementsAre(4, 5));
}

TEST(Convergence, TakesTheWarmTotalWithoutTheStart) {
  RunRecord run = run_of(RunScope::kWarm, 7, {1, 2});
  for (const char* name : {"T5_Encoding", "VAE_Decoding"}) {
    StageRecord stage;
    stage.id = stage.name = name;
    stage.role = stage_from_name(stage.name).role;
    stage.wall_ns = 10'000'000'000;
    run.stages.push_back(stage);
  }
  const std::vector<RunRecord> runs = {run};
  const auto series = settling_series(pointers(runs));
  ASSERT_EQ(series.size(), 2u);
  EXPECT_EQ(series[1].name, "warm total");
  EXPECT_DOUBLE_EQ(series[1].values[0], 23);
}

TEST(Convergence, TakesTheTotalOfRunsWithoutStages) {
  RunRecord bare;
  bare.stages.push_back(run_of(RunScope::kCold, 3, {}).stages.back());
  const std::vector<RunRecord> command = {bare};
  const auto series = settling_series(pointers(command));
  ASSERT_EQ(series.size(), 1u);
  EXPECT_THAT(series[0].values, testing::ElementsAre(3));
}

TEST(Convergence, LeavesOutWhatReportsLeaveOut) {
  std::vector<RunRecord> runs(4, run_of(RunScope::kCold, 4, {1, 1}));
  runs[0].status = RunStatus::kCrash;
  runs[1].run_case.warmup = true;
  runs[2].validity.push_back({"swap", "", "", true});
  runs[3].validity.push_back({"software_power_cap", "", "", false});
  EXPECT_EQ(settling_series(pointers(runs))[0].values.size(), 1u);
}

TEST(Convergence, AsksForFiveRunsAndForTheTarget) {
  SettlingSeries alike{"steady step", 0.01, {1, 1, 1, 1}};
  EXPECT_FALSE(converged(alike)) << "four runs are too few, however alike";
  EXPECT_TRUE(converged(alike, 4));
  alike.values.push_back(1.01);
  EXPECT_TRUE(converged(alike)) << "from 1 to 1.01: half of it is 0.5 %";
  alike.values[0] = 0.98;
  EXPECT_FALSE(converged(alike)) << "from 0.98 to 1.01: half of it is 1.5 %";
}

TEST(Convergence, InitializationIsThatStageWhereverItStands) {
  RunRecord run = run_of(RunScope::kCold, 4, {1, 2});
  StageRecord first;
  first.id = first.name = "own_preparation";
  first.wall_ns = 77'000'000'000;
  run.stages.insert(run.stages.begin(), first);
  run.stages.back().wall_ns += first.wall_ns;
  const std::vector<RunRecord> runs = {run};
  EXPECT_THAT(settling_series(pointers(runs)).back().values, testing::ElementsAre(4));
}

TEST(Convergence, TextEncodingSettlesWhereTheCpuDoesIt) {
  RunRecord run = run_of(RunScope::kCold, 4, {1, 2});
  StageRecord text;
  text.id = text.name = "T5_Encoding";
  text.role = StageRole::kTextEncoding;
  text.wall_ns = 3'000'000'000;
  run.stages.push_back(text);
  run.workload.text_encoder_device = "cpu";
  std::vector<RunRecord> runs = {run};
  const auto series = settling_series(pointers(runs));
  EXPECT_EQ(series.back().name, "text encoding on the CPU");
  EXPECT_EQ(series.back().target, kHostStageTarget);
  EXPECT_THAT(series.back().values, testing::ElementsAre(3));
  runs[0].workload.text_encoder_device = "cuda";
  EXPECT_EQ(settling_series(pointers(runs)).back().name, "initialization");
}

}  // namespace
}  // namespace wan
