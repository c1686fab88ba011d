// What is set against what, and what is not.
#include "suite/fidelity_plan.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "pipeline/request_json.h"

namespace wan::suite {
namespace {

using testing::HasSubstr;

class FidelityPlanTest : public testing::Test {
 protected:
  /// Adds a case of a miniature.
  Request& add(const std::string& name) {
    PlannedCase planned;
    planned.details.name = name;
    planned.key = "key-of-" + name;
    Request& request = planned.details.request;
    request.checkpoint = std::string(WAN_FIXTURES) + "/mini-ti2v-t2v";
    request.device = "cpu";
    request.prompt = "a cat";
    request.width = 96;
    request.height = 64;
    request.num_frames = 5;
    request.steps = 3;
    plan_.push_back(planned);
    return plan_.back().details.request;
  }
  FidelityPlan planned(const std::string& arm, const std::vector<std::string>& command = {}) const {
    return plan_fidelity(plan_, {arm, NoiseFloor::kYes, "results", command});
  }
  std::string refusal(const std::string& arm) const {
    try {
      planned(arm);
    } catch (const Error& problem) {
      EXPECT_EQ(problem.kind(), ErrorKind::kUsage);
      return problem.what();
    }
    return "";
  }
  std::vector<PlannedCase> plan_;
};

TEST_F(FidelityPlanTest, SetsEveryOtherCaseAgainstTheOneThatIsNamed) {
  add("first").solver = Solver::kDpmPlusPlus;
  add("second").solver = Solver::kEuler;
  add("third").solver = Solver::kUniPC;
  const FidelityPlan plan = planned("first");
  ASSERT_EQ(plan.cases.size(), 2u);
  const FidelityTask& euler = plan.cases[0].task;
  EXPECT_EQ(plan.cases[0].planned, &plan_[1]);
  EXPECT_EQ(euler.pair.reference.name, "first");
  EXPECT_EQ(euler.pair.test.request.solver, Solver::kEuler);
  EXPECT_EQ(euler.pair.why_not_replayed, "") << "its timesteps are the reference's";
  EXPECT_FALSE(euler.bound.has_value()) << "the solver is what differs, not the class";
  EXPECT_EQ(euler.folder, "results/fidelity/second.first.key-of-s");
  EXPECT_EQ(euler.why_no_floor, "a_cpu_computes_in_fp32");
  EXPECT_EQ(plan.cases[1].task.pair.why_not_replayed, "other_timesteps");
  ASSERT_EQ(plan.notes.size(), 1u);
  EXPECT_THAT(plan.notes[0], HasSubstr("first: fidelity is not measured: it is the reference itself"));
}

TEST_F(FidelityPlanTest, LeavesOutWhatIsMeantToBeAnotherVideo) {
  add("first");
  add("alike");
  add("larger").width = 128;
  add("longer").num_frames = 9;
  add("of a dog").prompt = "a dog";
  add("of another seed").seed = 7;
  const FidelityPlan plan = planned("first");
  ASSERT_EQ(plan.cases.size(), 1u);
  EXPECT_THAT(plan.notes, testing::ElementsAre(
                              HasSubstr("reference itself"), HasSubstr("its size is 128x64, the reference's 96x64"),
                              HasSubstr("it has 9 frames, the reference 5"), HasSubstr("its prompts are others"),
                              HasSubstr("it starts with other noise")));
}

TEST_F(FidelityPlanTest, RefusesWhereNothingIsLeftToJudge) {
  add("only");
  EXPECT_THAT(refusal("only"), HasSubstr("no case can be set against it"));
  EXPECT_THAT(refusal("fp32"), HasSubstr("it is the reference itself")) << "a CPU computes in fp32 anyway";
  EXPECT_THAT(refusal("fp16"), HasSubstr("--fidelity fp16: expected fp32, bf16, or a case of this run: only"));
}

TEST_F(FidelityPlanTest, TheReferenceOfACaseThatReusesStepsComputesAll) {
  Request& cached = add("cached");
  cached.steps = 12;
  cached.step_cache = StepCache::kEasyCache;
  cached.cache_threshold = 0.02;
  cached.cfg_gate = 0.5;
  const FidelityPlan plan = planned("fp32");
  ASSERT_EQ(plan.cases.size(), 1u) << "a CPU computes in fp32, but not every step of it";
  const SettingPair& pair = plan.cases[0].task.pair;
  EXPECT_FALSE(pair.reference.request.step_cache || pair.reference.request.cache_threshold ||
               pair.reference.request.cfg_gate);
  EXPECT_EQ(pair.reference.precision_class, PrecisionClass::kExact);
  EXPECT_EQ(pair.test.precision_class, PrecisionClass::kAltered);
  EXPECT_EQ(pair.why_not_replayed, "");
  EXPECT_FALSE(plan.cases[0].task.bound.has_value());
}

TEST_F(FidelityPlanTest, AnotherProgramsVideoIsJudgedByItsFramesAlone) {
  add("theirs");
  const FidelityPlan plan = planned("fp32", {"sh", "-c", "make a video"});
  ASSERT_EQ(plan.cases.size(), 1u);
  EXPECT_EQ(plan.cases[0].task.pair.reference.precision_class, PrecisionClass::kExact);
  EXPECT_FALSE(plan.cases[0].task.bound.has_value());
}

TEST_F(FidelityPlanTest, TheKeyKnowsTheReferenceAndNotWhereFilesGo) {
  add("first");
  add("second");
  const std::string key = planned("first").cases[0].task.reference_key;
  EXPECT_EQ(plan_fidelity(plan_, {"first", NoiseFloor::kYes, "elsewhere", {}}).cases[0].task.reference_key, key);
  plan_[0].details.request.shift = 4;
  EXPECT_NE(planned("first").cases[0].task.reference_key, key);
}

TEST_F(FidelityPlanTest, ATaskComesBackFromItsLine) {
  add("first").shift = 4;
  add("second").prompt = "a cat";
  FidelityTask task = planned("first").cases[0].task;
  task.bound = 0.06;
  task.floor = {task.pair};
  task.test_video = "video.mp4";
  const FidelityTask back = fidelity_task_from_json(to_json(task));
  EXPECT_EQ(to_json(back), to_json(task));
  EXPECT_EQ(back.bound, 0.06);
  EXPECT_EQ(back.floor.size(), 1u);
  EXPECT_EQ(back.pair.reference.request, task.pair.reference.request);
}

}  // namespace
}  // namespace wan::suite
