// An ablation's table: gains, spreads and verdicts, of arms that were run, judged or left out.
#include "analysis/ablation.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "analysis/repeat_command.h"
#include "judged.h"
#include "runs.h"

namespace wan {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::StartsWith;

RunRecord run_of(const std::string& arm, const std::vector<double>& steps) {
  RunRecord run = synthetic_run(steps);
  run.run_case.name = arm;
  run.output.sha256 = arm + " frames";
  run.id.clear();
  seal(run);
  return run;
}

/// The run of an arm that computes every other step.
RunRecord reusing(const std::string& arm, double step_s) {
  RunRecord run = run_of(arm, {step_s, step_s, 0.01, step_s, 0.01, step_s});
  run.workload.precision_class = PrecisionClass::kAltered;
  ForwardCounts forwards;
  forwards.planned = measured<int64_t>(8, "engine");
  forwards.computed = 8;
  forwards.reused = 4;
  forwards.cond = forwards.uncond = "CCrCrC";
  run.forwards = measured(forwards, "engine");
  run.id.clear();
  seal(run);
  return run;
}

RunRecord compared(const RunRecord& run, double psnr, bool identical = false) {
  return judged(run, {.reference = "default", .psnr = psnr, .velocity = 0.01, .identical = identical});
}

class AblationTableTest : public testing::Test {
 protected:
  AblationTableTest() { arm("default", ""); }
  AblationArm& arm(const std::string& name, const std::string& lever) {
    ablation_.case_name = "video";
    ablation_.arms.emplace_back();
    ablation_.arms.back().name = name;
    ablation_.arms.back().lever = lever;
    return ablation_.arms.back();
  }
  const AblationRow& row(const std::string& name) {
    if (table_.rows.empty()) fill_ablation_table(table_, ablation_, pointers_to(records_));
    for (const AblationRow& one : table_.rows)
      if (one.arm->name == name) return one;
    throw std::runtime_error("no arm " + name);
  }
  Ablation ablation_;
  std::vector<RunRecord> records_{run_of("default", {10, 10, 10, 10, 10, 10.2})};
  AblationTable table_;
};

TEST_F(AblationTableTest, AnArmThatReusesStepsIsSoonerAndAltered) {
  arm("magcache", "step-cache");
  records_.push_back(reusing("magcache", 10));
  records_.push_back(compared(records_.back(), 24.1));
  const AblationRow& found = row("magcache");
  EXPECT_NEAR(*found.gain, 76.2 / 56.02, 1e-9);
  EXPECT_NEAR(*found.denoising_gain, 60.2 / 40.02, 1e-9);
  EXPECT_EQ(found.verdict, ArmVerdict::kSoonerOther);
  EXPECT_THAT(found.text, AllOf(StartsWith("1.36x sooner, altered: PSNR 24.1 dB"), HasSubstr("last latent 1 % off")));
  ASSERT_NE(found.forwards, nullptr);
  EXPECT_EQ(found.forwards->computed, 8);
  EXPECT_EQ(row("default").verdict, ArmVerdict::kBaseline);
}

TEST_F(AblationTableTest, TheSpreadOfOneRunIsThatOfItsStepsThatComputeAlike) {
  arm("magcache", "step-cache");
  records_.push_back(reusing("magcache", 10));
  EXPECT_NEAR(row("magcache").spread->share, 0, 1e-9) << "reused steps are no spread";
  EXPECT_FALSE(row("default").spread->of_runs);
  EXPECT_GT(row("default").spread->share, 0);
}

TEST_F(AblationTableTest, RepeatsGiveTheSpreadThemselves) {
  records_.push_back(run_of("default", {11, 11, 11, 11, 11, 11}));
  EXPECT_TRUE(row("default").spread->of_runs);
  EXPECT_NEAR(row("default").spread->share, (82 - 76.2) / 2 / 79.1, 1e-9);
}

TEST_F(AblationTableTest, WithinTheSpreadNothingIsGained) {
  arm("same", "residency");
  arm("other", "solver");
  arm("slow", "residency");
  records_.push_back(run_of("same", {10, 10, 10, 10, 10, 10}));
  records_.push_back(compared(records_.back(), 0, true));
  records_.push_back(run_of("other", {10, 10, 10, 10, 10, 10}));
  records_.push_back(compared(records_.back(), 20));
  records_.push_back(run_of("slow", {20, 20, 20, 20, 20, 20}));
  EXPECT_EQ(row("same").verdict, ArmVerdict::kNoGain);
  EXPECT_EQ(row("same").text, "no gain, the same video");
  EXPECT_EQ(row("other").verdict, ArmVerdict::kCostsFidelity);
  EXPECT_THAT(row("other").text, StartsWith("no gain, costs fidelity: PSNR 20.0 dB"));
  EXPECT_EQ(row("slow").verdict, ArmVerdict::kSlower);
  EXPECT_THAT(row("slow").text, StartsWith("1.78x slower, fidelity not measured"));
}

TEST_F(AblationTableTest, WhatWasNotRunSaysWhyAndWhatFailedHow) {
  arm("refused", "step-cache").why_not_run = "no curve";
  arm("failed", "residency");
  RunRecord failed = run_of("failed", {10});
  failed.status = RunStatus::kOutOfMemory;
  failed.error.emplace();
  failed.error->message = "the card is full";
  failed.id.clear();
  seal(failed);
  records_.push_back(failed);
  EXPECT_EQ(row("refused").verdict, ArmVerdict::kNotRun);
  EXPECT_EQ(row("refused").text, "not run: no curve");
  EXPECT_EQ(row("failed").verdict, ArmVerdict::kNotMeasured);
  EXPECT_THAT(row("failed").text, AllOf(StartsWith("not measured: "), HasSubstr("the card is full")));
}

TEST_F(AblationTableTest, ADoubtfulRunKeepsItsNumbersAndItsDoubt) {
  arm("magcache", "step-cache");
  RunRecord doubtful = reusing("magcache", 10);
  doubtful.validity = {{"cpu_interference", "another program", "", true}};
  doubtful.id.clear();
  seal(doubtful);
  records_.push_back(doubtful);
  EXPECT_NEAR(*row("magcache").gain, 76.2 / 56.02, 1e-9);
  EXPECT_THAT(row("magcache").text, HasSubstr("doubtful: "));
}

TEST(RepeatCommand, OfAnArmIsOfItsAblation) {
  RunRecord run = reusing("magcache", 10);
  run.run_case.suite = "ablation of video";
  run.engine.facts = {{kAblatedCaseFact, "video"}, {kAblatedSuiteFact, "seed"}};
  const std::vector<RunGroup> groups = group_runs({&run});
  EXPECT_THAT(repeat_command(summarise(groups.front())),
              AllOf(StartsWith("wanbench ablate video --suite suites/seed.json --levers magcache "),
                    HasSubstr(" --repeats 1 "), testing::EndsWith(" --output NEW_FOLDER")));
}

TEST_F(AblationTableTest, SaysThatRandomWeightsSayNothingOfFidelity) {
  ablation_.random_weights = true;
  row("default");
  EXPECT_THAT(table_.remarks, testing::Contains(HasSubstr("fidelity says nothing of real weights")));
}

}  // namespace
}  // namespace wan
