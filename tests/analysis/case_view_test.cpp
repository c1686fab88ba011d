// What is shown of a case: estimates, or one run that failed, which is never taken for one that counts.
#include "analysis/case_view.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "analysis/report_view.h"
#include "runs.h"

namespace wan {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

CaseView view_of(const std::vector<RunRecord>& runs) { return case_view(group_runs(pointers_to(runs))[0], {}, {}); }

RunRecord out_of_memory() {
  RunRecord run = synthetic_run({2, 2});
  std::erase_if(run.stages, [](const StageRecord& stage) { return stage.name == "Output_Encoding"; });
  run.status = RunStatus::kOutOfMemory;
  run.error = ErrorFacts{};
  run.error->stage = "VAE_Decoding";
  run.error->advice = "fewer frames";
  return run;
}

TEST(CaseView, OfRunsThatCountHasTheirNumbersAndNoFailedRun) {
  std::vector<RunRecord> runs = {synthetic_run({2, 2}, 0, 0), synthetic_run({2, 3}, 0, 1), out_of_memory()};
  runs[0].id = "a", runs[1].id = "b", runs[2].id = "c";
  const CaseView view = view_of(runs);
  EXPECT_FALSE(view.failed);
  EXPECT_EQ(view.counted, 2u);
  EXPECT_EQ(view.runs, 3u);
  EXPECT_EQ(view.status(), RunStatus::kOk);
  EXPECT_EQ(view.not_ok, &runs[2]);
  EXPECT_EQ(view.fit, FitState::kNotKnown) << "one fitted, one did not";
  EXPECT_EQ(view.numbers().total_s.estimate->runs, 2);
  EXPECT_THAT(view.summary.described, ElementsAre(&runs[0], &runs[1]));
  EXPECT_EQ(view.steps.size(), 2u);
  EXPECT_EQ(view.largest_part->name, "Initialization");
}

TEST(CaseView, AFailedRunShowsItsStagesAsFarAsTheyWentAndItsError) {
  const std::vector<RunRecord> runs = {out_of_memory()};
  const RunRecord before = runs[0];
  const CaseView view = view_of(runs);
  ASSERT_TRUE(view.failed);
  EXPECT_EQ(view.failed->run, &runs[0]);
  EXPECT_EQ(view.failed->reason, "status oom");
  EXPECT_EQ(view.failed->error->advice, "fewer frames");
  EXPECT_EQ(view.status(), RunStatus::kOutOfMemory);
  EXPECT_EQ(view.fit, FitState::kOutOfMemory);
  EXPECT_NEAR(view.numbers().stage("Step_1_Inference")->wall_s.median(), 2, 1e-9);
  EXPECT_EQ(view.numbers().stage("Output_Encoding"), nullptr);
  EXPECT_TRUE(view.numbers().total_s.estimate->single_run);
  EXPECT_EQ(view.counted, 0u);
  EXPECT_EQ(runs[0], before) << "it is not made to look like a run that ended well";
}

TEST(CaseView, AFailedRunIsInNoEstimateAndComparesWithNothing) {
  const std::vector<RunRecord> bad = {out_of_memory()}, good = {synthetic_run({2, 2})};
  const CaseView a = view_of(bad), b = view_of(good);
  EXPECT_THAT(a.failed->numbers.selection.used, IsEmpty());
  EXPECT_FALSE(a.failed->numbers.converged);
  EXPECT_THAT(a.summary.stages, IsEmpty());
  const Comparison comparison = compare_cases(a.numbers(), b.numbers());
  ASSERT_FALSE(comparison.comparable());
  EXPECT_THAT(comparison.refusals[0], HasSubstr("A has no valid run of case: status oom"));
}

TEST(CaseView, ADoubtedRunThatEndedWellHasNoError) {
  std::vector<RunRecord> runs = {synthetic_run({2, 2}), synthetic_run({2, 2}, 0, 1)};
  runs[0].run_case.warmup = true;
  runs[1].validity = {{"foreign_gpu_process", "pid 7", "", true}};
  runs[0].id = "a", runs[1].id = "b";
  const CaseView view = view_of(runs);
  ASSERT_TRUE(view.failed);
  EXPECT_EQ(view.failed->run, &runs[1]) << "before a warm-up";
  EXPECT_EQ(view.failed->error, nullptr);
  EXPECT_EQ(view.doubt(), "flag foreign_gpu_process: pid 7");
  EXPECT_EQ(view.status(), RunStatus::kOk);
  EXPECT_EQ(view.fit, FitState::kFits);
  EXPECT_EQ(view.runs, 1u);
}

TEST(CaseView, ARunThatSawNoStageHasItsErrorAlone) {
  std::vector<RunRecord> runs = {out_of_memory()};
  runs[0].stages.clear();
  const CaseView view = view_of(runs);
  ASSERT_TRUE(view.failed);
  EXPECT_FALSE(view.has_result());
  EXPECT_THAT(view.numbers().stages, IsEmpty());
  EXPECT_EQ(&view.example(), &runs[0]);
}

TEST(CaseView, PartsMatterFromOnePercentOfTheTotal) {
  std::vector<RunRecord> runs = {synthetic_run({2, 2})};
  StageRecord part = leaf("Step_1_Inference/cond", 0.1);
  part.kind = StageKind::kComponent;
  runs[0].stages.push_back(part);
  const CaseView view = view_of(runs);
  ASSERT_EQ(view.parts.size(), 2u);
  EXPECT_TRUE(view.parts[0].matters) << "100 s of hidden copies";
  EXPECT_FALSE(view.parts[1].matters) << "0.1 s of 20";
}

TEST(ReportView, SetsTheFasterAgainstTheSlower) {
  std::vector<RunRecord> runs = {synthetic_run({2, 2}), synthetic_run({5, 5})};
  runs[1].system.gpus[0].name = "Another Card";
  for (RunRecord& run : runs) seal(run);
  for (const bool turned : {false, true}) {
    if (turned) std::swap(runs[0], runs[1]);
    const ReportView view = report_view(pointers_to(runs), {}, {});
    ASSERT_EQ(view.pairs.size(), 1u);
    EXPECT_EQ(view.pairs[0].comparison.b->group.device, "NVIDIA H100 80GB HBM3");
    EXPECT_GT(view.pairs[0].comparison.split->saved_s, 0);
  }
}

TEST(ReportView, HasNoCaseOfWarmUpsAndSaysWhyTheyDoNotCount) {
  std::vector<RunRecord> runs = {synthetic_run({2, 2})};
  runs[0].run_case.warmup = true;
  const ReportView view = report_view(pointers_to(runs), {}, {});
  EXPECT_TRUE(view.cases.empty());
  EXPECT_EQ(view.not_counted.at(runs[0].id), "warmup");
}

}  // namespace
}  // namespace wan
