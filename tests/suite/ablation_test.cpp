// Which arms an ablation has, which of them are refused, and which still fit into the time.
#include "suite/ablation.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "suite/ablation_budget.h"

namespace wan::suite {
namespace {

using testing::AllOf;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

class AblationTest : public testing::Test {
 protected:
  /// Of the published 5B on a card, with random weights: nothing is opened.
  AblationTest() {
    base_.details.name = "video";
    Request& request = base_.details.request;
    request.random_weights = true;
    request.model = "ti2v-5B";
    request.device = "cuda:0";
    request.prompt = "a cat";
    request.width = 1280;
    request.height = 704;
    request.num_frames = 161;
    request.steps = 50;
  }
  PlannedAblation planned(const std::vector<std::string>& levers) const {
    return plan_ablation(base_, {.levers = levers});
  }
  static std::vector<std::string> names(const PlannedAblation& planned) {
    std::vector<std::string> out;
    for (const Case& one : planned.suite.cases) out.push_back(one.name);
    return out;
  }
  PlannedCase base_;
};

TEST_F(AblationTest, TheCurvesSettingsHaveATighterAndALooserArm) {
  const PlannedAblation ablation = planned({"step-cache"});
  EXPECT_THAT(names(ablation), ElementsAre("default", "magcache", "magcache-tight", "magcache-loose", "easycache"));
  const std::vector<AblationArm>& arms = ablation.ablation.arms;
  EXPECT_EQ(arms[1].setting, "--step-cache magcache");
  EXPECT_EQ(arms[3].setting, "--step-cache magcache --cache-threshold 0.12 --cache-max-skips 4");
  EXPECT_EQ(arms[0].forwards_planned, 100);
  EXPECT_GT(arms[2].forwards_planned, arms[1].forwards_planned);
  EXPECT_LT(arms[3].forwards_planned, arms[1].forwards_planned);
  EXPECT_FALSE(arms[4].forwards_planned.has_value()) << "that is decided while it runs";
  EXPECT_EQ(arms[4].forwards_in_all, 100);
}

TEST_F(AblationTest, ACurveOfOtherStepsIsRemarkedOn) {
  EXPECT_TRUE(planned({"magcache"}).ablation.arms[1].remarks.empty());
  base_.details.request.steps = 40;
  base_.details.request.solver = Solver::kEuler;
  EXPECT_THAT(planned({"magcache"}).ablation.arms[1].remarks,
              ElementsAre(HasSubstr("made for 50 steps, unipc, and this video has 40 steps, euler")));
}

TEST_F(AblationTest, WhatCannotBeIsListedWithItsReason) {
  base_.details.request.steps = 5;
  const PlannedAblation few = planned({"step-cache", "cfg-gate"});
  EXPECT_THAT(names(few), ElementsAre("default"));
  ASSERT_GT(few.ablation.arms.size(), 2u);
  EXPECT_THAT(few.ablation.arms[1].why_not_run, HasSubstr("5 steps are too far apart"));

  base_.details.request.steps = 50;
  base_.details.request.device = "cpu";
  const PlannedAblation cpu = planned({"residency", "vae-precision"});
  EXPECT_THAT(names(cpu), ElementsAre("default"));
  EXPECT_THAT(cpu.ablation.arms[1].why_not_run, HasSubstr("on a CPU"));
  EXPECT_THAT(cpu.ablation.arms[2].why_not_run, HasSubstr("not offered on the CPU"));
}

TEST_F(AblationTest, AllLeversAreTriedAndWhatTheCaseIsAlreadyIsNoArm) {
  const PlannedAblation all = plan_ablation(base_, {.levers = {}, .residency = Residency::kResident});
  EXPECT_THAT(names(all), AllOf(Contains("cfg-gate-0.5"), Contains("steps-40"), Contains("solver-euler"),
                                Contains("offload-stream"), Contains("vae-fp32"), Contains("vae-chunk-4"),
                                Contains("recipe-fastwan-3")));
  EXPECT_THAT(names(all), AllOf(Not(Contains("solver-unipc")), Not(Contains("offload-none")),
                                Not(Contains("vae-chunk-1")), Not(Contains("offload-mapped"))))
      << "random weights have no file to map";
}

TEST_F(AblationTest, ALeverThatIsNoneIsRefused) {
  try {
    planned({"step-cache", "speed"});
    FAIL();
  } catch (const Error& problem) {
    EXPECT_EQ(problem.kind(), ErrorKind::kUsage);
    EXPECT_THAT(problem.what(), AllOf(HasSubstr("--levers speed"), HasSubstr("magcache-loose")));
  }
}

TEST_F(AblationTest, EachArmIsJudgedByTheDefaultsOwnRun) {
  const PlannedAblation ablation = planned({"magcache"});
  std::vector<PlannedCase> plan;
  for (const Case& one : ablation.suite.cases) {
    plan.push_back({one, {}, "key-of-" + one.name});
    plan.back().details.request.device = "cuda:0";
  }
  const std::vector<PlannedFidelity> judged = judge_arms(plan, "results");
  ASSERT_EQ(judged.size(), 1u);
  EXPECT_EQ(judged[0].planned, &plan[1]);
  EXPECT_EQ(judged[0].task.kept_reference, "key-of-default");
  EXPECT_EQ(judged[0].task.pair.reference.name, "default");
  EXPECT_EQ(judged[0].task.pair.test.precision_class, PrecisionClass::kAltered);
}

/// A run of 20 s around `denoising_s` of steps that computed `computed` forwards.
RunRecord run_of(const std::string& arm, double denoising_s, int64_t computed) {
  RunRecord run;
  run.run_case.name = arm;
  StageRecord total, step;
  total.id = total.name = "Total_Execution";
  total.kind = StageKind::kParent;
  total.wall_ns = static_cast<int64_t>((20 + denoising_s) * 1e9);
  step.id = step.name = "Step_0_Inference";
  step.role = StageRole::kStepInference;
  step.wall_ns = static_cast<int64_t>(denoising_s * 1e9);
  run.stages = {total, step};
  ForwardCounts forwards;
  forwards.computed = computed;
  run.forwards = measured(forwards, "engine");
  return run;
}

TEST_F(AblationTest, AnArmIsExpectedToTakeItsShareOfTheDefaultsForwards) {
  const Ablation ablation = planned({"magcache", "easycache"}).ablation;
  const std::vector<RunRecord> so_far{run_of("default", 100, 100)};
  const double share = static_cast<double>(*ablation.arms[1].forwards_planned);
  EXPECT_NEAR(*expected_seconds(ablation, "magcache", so_far), 20 + share + 3, 1e-6);
  EXPECT_NEAR(*expected_seconds(ablation, "easycache", so_far), 123, 1e-6) << "all of them, where nobody knows";
  EXPECT_FALSE(expected_seconds(ablation, "magcache", {}).has_value());
}

TEST_F(AblationTest, WhatWouldNotEndInTimeIsLeftOut) {
  const Ablation ablation = planned({"magcache", "easycache"}).ablation;
  const std::vector<RunRecord> so_far{run_of("default", 100, 100)};
  EXPECT_EQ(why_left_out(ablation, "easycache", so_far, {120}, {300}, 4), "");
  EXPECT_THAT(why_left_out(ablation, "easycache", so_far, {200}, {300}, 4), HasSubstr("expected to take"));
  EXPECT_EQ(why_left_out(ablation, "easycache", so_far, {200}, {0}, 4), "") << "no limit";
  EXPECT_EQ(why_left_out(ablation, "default", {}, {200}, {100}, 4), "") << "nothing is without it";
}

}  // namespace
}  // namespace wan::suite
