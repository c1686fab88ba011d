#include "suite/progress.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "fixtures.h"

namespace wan::suite {
namespace {

TEST(Progress, ShowsWhatIsKnownAndNothingElse) {
  ProgressState state;
  state.case_name = "01";
  state.number = 1;
  state.count = 3;
  state.elapsed_s = 2.5;
  EXPECT_EQ(progress_line(state, 100), "[1/3] 01  starting  2.5 s");
  state.stage = "Step_3_Inference";
  state.step = 3;
  state.steps = 10;
  state.left_s = 75;
  state.cores = 1.5;
  state.resident_bytes = uint64_t{3} << 30;
  state.power_w = 650;
  EXPECT_EQ(progress_line(state, 100),
            "[1/3] 01  step 4/10  2.5 s, about 1:15 min left  650 W  1.5 cores  RAM 3.00 GiB");
  EXPECT_EQ(progress_line(state, 10).size(), 10u);
  state.video = 2;
  EXPECT_THAT(progress_line(state, 100), testing::StartsWith("[1/3] 01  video 2, step 4/10  2.5 s"));
}

TEST(Progress, OfSeveralVideosItSaysWhichAndNotWhatIsLeft) {
  std::string shown;
  ProgressDisplay display(DisplayStyle::kLines, [&](std::string_view text) { shown += text; });
  const std::vector<PlannedCase> plan = test::planned(test::small_suite());
  FidelityTask task;
  task.pair.reference.name = "fp32";
  const Job judged{&plan.front(), RunScope::kCold, 0, 1, false, false, &task};
  RunRecord before;
  before.run_case.name = "one";
  before.stages.resize(1);
  before.stages[0].id = before.stages[0].name = "Total_Execution";
  before.stages[0].wall_ns = 7'000'000'000;
  display.run_ends({before});  // a case's last time says nothing of several videos
  display.run_begins(plan.front(), judged, 2, 2);
  display.message(NextVideo{1, {}});
  display.message(Begin{stage_from_name("VAE_Decoding"), 1, {}});
  EXPECT_THAT(shown, testing::HasSubstr("[2/2] one, fidelity against fp32"));
  EXPECT_THAT(shown, testing::HasSubstr("one  video 2, VAE_Decoding"));
  EXPECT_THAT(shown, testing::Not(testing::HasSubstr("left")));
}

TEST(Progress, LeavesOutWholePartsThatDoNotFit) {
  ProgressState state;
  state.stage = "VAE_Decoding";
  state.elapsed_s = 2.5;
  state.gpu_bytes = uint64_t{15} << 30;
  state.power_w = 650;
  state.sm_active = 0.97;
  const std::string whole = "VAE_Decoding  2.5 s  GPU 15.0 GiB  650 W  SM 97 %";
  EXPECT_EQ(progress_line(state, 80), whole);
  EXPECT_EQ(progress_line(state, whole.size() - 1), "VAE_Decoding  2.5 s  GPU 15.0 GiB  650 W");
}

TEST(Progress, TheLastReadingIsShown) {
  measure::Samples samples;
  samples.tree.resize(2);
  samples.tree[1].at_ns = 1'000'000'000;
  samples.tree[1].cpu_ns = 1'500'000'000;
  samples.tree[1].memory.anonymous = 7;
  samples.gpu.resize(1);
  samples.gpu[0].device_bytes = 9;
  samples.gpu[0].power_w = 300;
  samples.activity.resize(1);
  samples.activity[0].sm = 0.5;
  ProgressState state;
  show_readings(state, samples);
  EXPECT_EQ(state.cores, 1.5);
  EXPECT_EQ(state.resident_bytes, 7u);
  EXPECT_EQ(state.gpu_bytes, 9u);
  EXPECT_EQ(state.power_w, 300);
  EXPECT_EQ(state.sm_active, 0.5);
}

TEST(Progress, EstimatesFromTheLastRunElseFromTheSteps) {
  EXPECT_EQ(estimate_left(3, 10, 1, 5), 7);
  EXPECT_EQ(estimate_left(12, 10, 1, 5), 0);
  EXPECT_EQ(estimate_left(3, std::nullopt, 2, 5), 10);
  EXPECT_FALSE(estimate_left(3, std::nullopt, 0, 5));
}

TEST(Progress, PlainLinesHoldNoControlCharacters) {
  std::string shown;
  ProgressDisplay display(DisplayStyle::kLines, [&](std::string_view text) { shown += text; });
  const Suite suite = test::small_suite();
  const auto plan = test::planned(suite);
  const Job job{&plan[0], RunScope::kCold, 0, 1, false};
  display.run_begins(plan[0], job, 1, 1);
  display.message(Begin{stage_from_name("T5_Encoding"), 1, {}});
  display.tick({});
  RunRecord record;
  record.run_case.name = "one";
  record.status = RunStatus::kOutOfMemory;
  record.error = ErrorFacts{};
  record.error->message = "too big";
  display.run_ends({record});
  EXPECT_THAT(shown, ::testing::HasSubstr("T5_Encoding"));
  EXPECT_THAT(shown, ::testing::HasSubstr("one  oom  0.00 s  too big\n"));
  EXPECT_EQ(shown.find('\033'), std::string::npos);
  EXPECT_EQ(shown.find('\r'), std::string::npos);
}

}  // namespace
}  // namespace wan::suite
