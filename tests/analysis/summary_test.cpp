// Runs taken apart, series, selection and case summaries on synthetic runs with known answers.
#include "analysis/summary.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "measure/stopping.h"
#include "runs.h"

namespace wan {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

TEST(Breakdown, SumsLeavesOnlyAndReportsTheRest) {
  const RunRecord run = synthetic_run({2, 2, 2}, 0.5);
  const Breakdown parts = break_down(run);
  EXPECT_EQ(parts.leaves_ns, 22'000'000'000);
  EXPECT_EQ(parts.total_ns, 22'500'000'000);
  EXPECT_EQ(parts.unattributed_ns, 500'000'000);
  EXPECT_NEAR(parts.unattributed_share(), 0.5 / 22.5, 1e-12);
  EXPECT_THROW(break_down(RunRecord{}), Error);
}

TEST(Breakdown, SplitsGpuPartFromHostPart) {
  RunRecord run = synthetic_run({2, 2, 2}, 0.5);
  Scopes s = scopes(run);
  EXPECT_EQ(s.gpu_part_ns, 11'000'000'000) << "T5, steps and VAE";
  EXPECT_EQ(s.host_part_ns, 11'500'000'000);
  EXPECT_EQ(s.warm_total_ns, 11'000'000'000);
  EXPECT_EQ(s.steps_ns, 6'000'000'000);
  stage_of(run, "T5_Encoding").exposed_copy_ns = measured<int64_t>(400'000'000, "device_event");
  EXPECT_EQ(scopes(run).gpu_part_ns, 10'600'000'000) << "waiting for weights is no work of the card";
  run.workload.text_encoder_device = "cpu";
  EXPECT_EQ(scopes(run).gpu_part_ns, 10'000'000'000);
  run.engine.device = "cpu";
  EXPECT_EQ(scopes(run).gpu_part_ns, 0);
  std::erase_if(run.stages, [](const StageRecord& stage) { return stage.name == "VAE_Decoding"; });
  EXPECT_EQ(scopes(run).warm_total_ns, std::nullopt) << "a run that died has no warm total";
  std::erase_if(run.stages, [](const StageRecord& stage) { return stage.name != "Total_Execution"; });
  EXPECT_EQ(scopes(run).total_ns, 22'500'000'000);
  EXPECT_EQ(scopes(run).gpu_part_ns, std::nullopt) << "a total alone does not say where it was spent";
  EXPECT_EQ(scopes(run).host_part_ns, std::nullopt);
  RunRecord foreign = synthetic_run({2});
  for (StageRecord& stage : foreign.stages) stage.role = StageRole::kOther;
  EXPECT_EQ(scopes(foreign).gpu_part_ns, std::nullopt) << "whose stages nobody knows";
}

TEST(Groups, RunsOfOtherRecipesAreNotPooled) {
  std::vector<RunRecord> runs{synthetic_run({2}), synthetic_run({2}), synthetic_run({2})};
  runs[1].workload.recipe = "lightx2v-4";
  runs[2].workload.recipe = "lightx2v-4";
  runs[2].workload.split_step = 1;
  for (RunRecord& run : runs) run.execution = measured(Execution{}, "engine");
  EXPECT_EQ(group_runs({&runs[0], &runs[1], &runs[2]}).size(), 3u);
  runs[2].workload.split_step.reset();
  EXPECT_EQ(group_runs({&runs[0], &runs[1], &runs[2]}).size(), 2u);
}

TEST(Steps, TellsSteadyFromDriftingFromBimodal) {
  std::vector<double> steady(20, 5.0), drifting, bimodal;
  steady[0] = 5.5;
  for (int i = 0; i < 20; ++i) drifting.push_back(5 * (1 + 0.001 * i));
  for (int i = 0; i < 50; ++i) bimodal.push_back(i < 14 ? 6.9 : 15.0);
  StepSeries s = analyse_steps(steady);
  EXPECT_DOUBLE_EQ(s.first_over_steady, 1.1);
  EXPECT_DOUBLE_EQ(s.steady_median_s, 5.0);
  EXPECT_FALSE(s.drifts || s.bimodal);
  s = analyse_steps(drifting);
  EXPECT_TRUE(s.drifts);
  EXPECT_NEAR(s.drift, 0.018, 0.0005);
  EXPECT_FALSE(s.bimodal);
  s = analyse_steps(bimodal);
  EXPECT_TRUE(s.bimodal);
  EXPECT_EQ(s.change->index, 14);
  EXPECT_NEAR(s.p90_over_p10, 15.0 / 6.9, 1e-9);
  steady[7] = 6;
  EXPECT_THAT(analyse_steps(steady).outliers, ElementsAre(7));
  EXPECT_EQ(analyse_steps(std::vector<double>{3}).steady_median_s, 3) << "a single step stands for itself";
  // Of six steps behind the first four reuse: the median would be what a reused one takes.
  const std::vector<double> reusing{3, 2, 0.1, 0.1, 2, 0.1, 0.1};
  s = analyse_steps(reusing, StepWork::kReusing);
  EXPECT_NEAR(s.steady_median_s, 4.4 / 6, 1e-12);
  EXPECT_FALSE(s.bimodal || s.drifts);
  EXPECT_TRUE(analyse_steps(reusing).bimodal) << "and a run whose steps are alike is doubted";
}

TEST(Selection, LeavesOutWhatDoesNotCountAndSaysWhy) {
  std::vector<RunRecord> runs;
  for (int i = 0; i < 6; ++i) runs.push_back(synthetic_run({2, 2}, 0, i));
  runs[1].status = RunStatus::kOutOfMemory;
  runs[2].run_case.warmup = true;
  runs[3].validity = {{"foreign_gpu_process", "pid 7", "", true}};
  runs[4].validity = {{"software_power_cap", "normal", "", false}};
  const Selection selection = select_valid(pointers_to(runs));
  EXPECT_THAT(selection.used, ElementsAre(&runs[0], &runs[4], &runs[5]));
  ASSERT_EQ(selection.excluded.size(), 3u);
  EXPECT_EQ(selection.excluded[0].reason, "status oom");
  EXPECT_EQ(selection.excluded[1].reason, "warmup");
  EXPECT_EQ(selection.excluded[2].reason, "flag foreign_gpu_process: pid 7");
}

TEST(Selection, LeavesOutARunAtALowClock) {
  std::vector<RunRecord> runs;
  for (int i = 0; i < 4; ++i) {
    runs.push_back(synthetic_run({2, 2}, 0, i));
    const double clock = i == 3 ? 1200 : 1600;
    stage_of(runs.back(), "Step_1_Inference").sm_clock_mhz = measured(Spread{clock, clock, clock}, "nvml");
  }
  const Selection selection = select_valid(pointers_to(runs));
  EXPECT_EQ(selection.used.size(), 3u);
  ASSERT_EQ(selection.excluded.size(), 1u);
  EXPECT_EQ(selection.excluded[0].run, &runs[3]);
  EXPECT_THAT(selection.excluded[0].reason, HasSubstr("low_clock"));
}

TEST(Groups, KeepApartWhatMayNotBeMixed) {
  std::vector<RunRecord> runs{synthetic_run({2}), synthetic_run({2, 2}), synthetic_run({2}), synthetic_run({2})};
  runs[3].system.gpus[0].name = "NVIDIA L40S";
  const auto groups = group_runs(pointers_to(runs));
  ASSERT_EQ(groups.size(), 3u);
  EXPECT_THAT(groups[0].runs, ElementsAre(&runs[0], &runs[2]));
}

TEST(Groups, ComeByMachineThenByNameThenColdBeforeWarm) {
  std::vector<RunRecord> runs(5, synthetic_run({2}));
  const char* const names[] = {"10_long", "9_warm", "9_warm", "1_short", "2_other"};
  for (size_t i = 0; i < runs.size(); ++i) runs[i].run_case.name = names[i];
  runs[1].workload.scope = RunScope::kWarm;
  runs[2].workload.scope = RunScope::kCold;
  runs[1].workload_key = "warm";
  runs[4].system.gpus[0].name = "NVIDIA L40S";
  std::vector<const RunRecord*> order;
  for (const RunGroup& group : group_runs(pointers_to(runs))) order.push_back(group.runs[0]);
  EXPECT_THAT(order, ElementsAre(&runs[3], &runs[2], &runs[1], &runs[0], &runs[4]));
}

TEST(Groups, KeepRunsWithAVideoApartFromThoseWithout) {
  std::vector<RunRecord> runs{synthetic_run({2}), synthetic_run({2}), synthetic_run({2}), synthetic_run({2})};
  runs[0].status = RunStatus::kOutOfMemory;  // tells nothing, goes with the first
  runs[1].output.file = "a.mp4";
  runs[3].output.file = "b.mp4";
  const auto groups = group_runs(pointers_to(runs));
  ASSERT_EQ(groups.size(), 2u);
  EXPECT_THAT(groups[0].runs, ElementsAre(&runs[0], &runs[1], &runs[3]));
  EXPECT_EQ(circumstances(summarise(groups[0])), "");
  EXPECT_EQ(circumstances(summarise(groups[1])), " (no video)");
  EXPECT_EQ(circumstances(summarise(group_runs({&runs[2]})[0])), "");  // nothing to be told apart from
}

TEST(Groups, HaveTheTracedRunWhichNeverWritesAVideo) {
  std::vector<RunRecord> runs{synthetic_run({2}), synthetic_run({2})};
  runs[0].kernels = KernelTrace{};
  runs[1].output.file = "b.mp4";
  const auto groups = group_runs(pointers_to(runs));
  ASSERT_EQ(groups.size(), 1u);
  EXPECT_EQ(groups[0].output, "video");
}

TEST(Summary, EstimatesColumnsAndKeepsAbsentAbsent) {
  std::vector<RunRecord> runs;
  for (int i = 0; i < 5; ++i) {
    runs.push_back(synthetic_run({2.1, 2.0 + 0.01 * i, 2.0 + 0.01 * i}, 0.2, i));
    StageRecord& step = stage_of(runs.back(), "Step_1_Inference");
    step.flops = measured(1e15, "engine");
    step.gpu_ns = measured<int64_t>(2'000'000'000, "cuda_event");
    step.cpu_core_ns = measured<int64_t>(step.wall_ns, "proc");
    step.counters.sm_active = {99, "", "nvml_gpm", 20, 1};
    step.counters.dram_active = {std::nullopt, "not_permitted", "", 0, 0};
  }
  const CaseSummary s = summarise(group_runs(pointers_to(runs))[0]);
  const StageSummary* step = s.stage("Step_1_Inference");
  ASSERT_NE(step, nullptr);
  EXPECT_NEAR(step->wall_s.median(), 2.02, 1e-9);
  EXPECT_NEAR(step->achieved_tflops.median(), 500, 1e-9) << "over device time";
  EXPECT_NEAR(step->cpu_cores.median(), 1, 1e-9);
  EXPECT_NEAR(step->cpu_percent.median(), 12.5, 1e-9);
  EXPECT_EQ(step->sm_active_percent.source, "nvml_gpm");
  EXPECT_FALSE(step->dram_active_percent.has());
  EXPECT_EQ(step->dram_active_percent.reason, "not_permitted");
  EXPECT_NEAR(s.stage("Unattributed")->wall_s.median(), 0.2, 1e-6);
  EXPECT_EQ(s.stages.back().name, "Total_Execution");
  EXPECT_FALSE(s.stages.back().share) << "the total is not a share of itself";
  double shares = 0;
  for (const StageSummary& stage : s.stages) shares += stage.share.value_or(0);
  EXPECT_NEAR(shares, 1, 1e-3);
  EXPECT_NEAR(s.steady_step_s.median(), 2.02, 1e-9);
  EXPECT_FALSE(s.sm_seconds.has()) << "one stage of many was read";
}

TEST(Summary, SaysWhatHasNotConverged) {
  std::vector<RunRecord> alike, one{synthetic_run({2, 2})}, noisy;
  for (int i = 0; i < 5; ++i) {
    alike.push_back(synthetic_run({2, 2}, 0, i));
    noisy.push_back(synthetic_run({2, 2 + 0.1 * i}, 0, i));
  }
  EXPECT_TRUE(summarise(group_runs(pointers_to(alike))[0]).converged);
  EXPECT_THAT(summarise(group_runs(pointers_to(one))[0]).not_converged, ::testing::Contains("steady step: single run"));
  EXPECT_THAT(summarise(group_runs(pointers_to(noisy))[0]).not_converged,
              ::testing::Contains(HasSubstr("steady step: 5")));
}

TEST(Summary, SaysConvergedWhereRepeatingStops) {
  std::vector<RunRecord> runs;
  for (int i = 0; i < 5; ++i) {
    runs.push_back(synthetic_run({2, 2}, 0, i));
    runs.back().workload.text_encoder_device = "cpu";
    stage_of(runs.back(), "T5_Encoding").wall_ns += i * 200'000'000;  // 1 to 1.8 s
  }
  const auto stops = [&] {
    return measure::decide_stopping(settling_series(pointers_to(runs)), 5, 0, {}).verdict ==
           measure::StoppingVerdict::kConverged;
  };
  const auto summary = [&] { return summarise(group_runs(pointers_to(runs))[0]); };
  EXPECT_THAT(summary().not_converged, ::testing::Contains(HasSubstr("text encoding on the CPU: 5 runs agree within")));
  EXPECT_FALSE(summary().converged || stops());
  for (RunRecord& run : runs) stage_of(run, "T5_Encoding").wall_ns = 1'000'000'000;
  EXPECT_TRUE(summary().converged && stops());
}

TEST(Summary, OfNothingButFailuresHasNoStages) {
  std::vector<RunRecord> runs{synthetic_run({2})};
  runs[0].status = RunStatus::kCrash;
  const CaseSummary s = summarise(group_runs(pointers_to(runs))[0]);
  EXPECT_TRUE(s.stages.empty());
  EXPECT_EQ(s.selection.excluded.size(), 1u);
  EXPECT_EQ(s.example, &runs[0]);
}

}  // namespace
}  // namespace wan
