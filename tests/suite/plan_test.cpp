// Planning against the small checkpoint: what is refused before work, and when two runs are the same.
#include "suite/plan.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "base/error.h"
#include "base/file.h"
#include "fixtures.h"
#include "suite/weights.h"
#include "temporary_folder.h"

namespace wan::suite {
namespace {

using ::testing::HasSubstr;

const std::string kCheckpoint = WAN_FIXTURES "/mini-ti2v-t2v";

Suite one_case() {
  Suite suite = test::small_suite();
  suite.cases.resize(1);
  suite.cases[0].aliases = {"alias"};
  return suite;
}

PlanOptions options() {
  PlanOptions result;
  result.checkpoints = {kCheckpoint};
  result.default_device = "cpu";
  return result;
}

std::string refusal(const Suite& suite, const PlanOptions& how) {
  try {
    plan_cases(suite, how);
  } catch (const Error& problem) {
    return problem.what();
  }
  return "accepted";
}

TEST(Plan, FillsTheWorkloadWithTheModelsOwnDefaults) {
  const auto plan = plan_cases(one_case(), options());
  ASSERT_EQ(plan.size(), 1u);
  const Workload& work = plan[0].workload;
  EXPECT_EQ(work.task, "ti2v");
  EXPECT_EQ(work.steps, 1);
  EXPECT_EQ(work.shift, 5.0);
  EXPECT_EQ(work.guidance_low, 5.0);
  EXPECT_FALSE(work.guidance_high);
  EXPECT_EQ(work.precision_class, PrecisionClass::kExact);
  EXPECT_EQ(work.text_encoder_device, "cpu");
  EXPECT_FALSE(work.negative_prompt.empty());
  EXPECT_GE(work.weights.size(), 6u);
}

TEST(Plan, TheWorkloadNamesItsRecipeAndWhereItSplits) {
  EXPECT_EQ(plan_cases(one_case(), options())[0].workload.recipe, "official");
  EXPECT_EQ(plan_cases(one_case(), options())[0].workload.solver, "unipc");
  Suite suite = one_case();
  suite.cases[0].request.recipe = "fastwan-3";
  suite.cases[0].request.steps = 0;
  const Workload work = plan_cases(suite, options())[0].workload;
  EXPECT_EQ(work.recipe, "fastwan-3");
  EXPECT_EQ(work.steps, 3);
  EXPECT_EQ(work.solver, "lcm");
  EXPECT_EQ(work.guidance_low, 1.0);
  EXPECT_FALSE(work.split_step);
  suite.cases[0].request.recipe = "lightning-4";
  EXPECT_THAT(refusal(suite, options()), HasSubstr("--recipe lightning-4 is for"));
  PlanOptions how = options();
  how.checkpoints.clear();
  how.random_weights = true;
  how.model = "t2v-A14B";
  EXPECT_EQ(plan_cases(suite, how)[0].workload.boundary, 0.875);
  suite.cases[0].request.split_step = 1;
  const auto split = plan_cases(suite, how);
  EXPECT_EQ(split[0].workload.split_step, 1);
  EXPECT_FALSE(split[0].workload.boundary);
}

TEST(Plan, ARecipeIsPartOfACasesKeyAndNoneChangesIt) {
  Suite suite = one_case();
  const std::string key = plan_cases(suite, options())[0].key;
  suite.cases[0].request.solver = Solver::kUniPC;
  EXPECT_EQ(plan_cases(suite, options())[0].key, key) << "keys had the solver's name before there were recipes";
  suite.cases[0].request.solver = Solver::kEuler;
  EXPECT_NE(plan_cases(suite, options())[0].key, key);
  suite = one_case();
  suite.cases[0].request.steps = 0;
  suite.cases[0].request.recipe = "fastwan-3";
  EXPECT_NE(plan_cases(suite, options())[0].key, key);
}

TEST(Plan, TheCommandLinesRanksComeBeforeTheSuites) {
  Suite suite = one_case();
  suite.cases[0].request.gpus = "2";
  PlanOptions how = options();
  EXPECT_EQ(plan_cases(suite, how)[0].details.request.gpus, "2");
  how.gpus = "4";
  how.parallel = "cfg=2,ulysses=2";
  EXPECT_THAT(refusal(suite, how), HasSubstr("ulysses=2")) << "one_case has too few tokens";
  how.gpus = "1";
  how.parallel = "cfg=1";
  EXPECT_EQ(plan_cases(suite, how)[0].details.request.gpus, "1");
}

TEST(Plan, AnotherProgramIsAskedForTheOfficialRecipe) {
  PlanOptions how = options();
  how.command = {"engine", "{prompt}"};
  const Workload work = plan_cases(one_case(), how)[0].workload;
  EXPECT_EQ(work.recipe, "official");
  EXPECT_EQ(work.solver, "unipc");
}

TEST(Plan, RandomWeightsOfTheCommandLineServeEveryCaseAndACheckpointReplacesThem) {
  PlanOptions how = options();
  how.checkpoints.clear();
  how.random_weights = true;
  EXPECT_THAT(refusal(one_case(), how), HasSubstr("--model")) << "sizes must come from somewhere";
  how.model = "ti2v-5B";
  auto plan = plan_cases(one_case(), how);
  EXPECT_TRUE(plan[0].details.request.random_weights);
  EXPECT_EQ(plan[0].workload.weights.at(0).digest_kind, "random");
  Suite suite = one_case();
  suite.cases[0].request.random_weights = true;
  suite.cases[0].request.model = "ti2v-5B";
  plan = plan_cases(suite, options());
  EXPECT_FALSE(plan[0].details.request.random_weights) << "--checkpoint was named";
  EXPECT_EQ(plan[0].details.request.checkpoint, kCheckpoint);
}

TEST(Plan, EverySuiteThatComesWithTheProgramRunsWithRandomWeights) {
  PlanOptions how;
  how.random_weights = true;
  how.default_device = "cuda:0";  // limits of GPU memory need one; none is opened
  size_t suites = 0;
  for (const auto& file : std::filesystem::directory_iterator(WAN_SOURCE_DIR "/suites")) {
    if (file.path().extension() != ".json" || read_text(file).find("\"wanbench.suite\"") == std::string::npos) continue;
    const Suite suite = read_suite(file);
    for (const PlannedCase& planned : plan_cases(suite, how)) {
      EXPECT_TRUE(planned.details.request.random_weights);
      EXPECT_FALSE(planned.details.request.model.empty()) << file << " " << planned.details.name;
    }
    ++suites;
  }
  EXPECT_EQ(suites, 11u);
}

TEST(Plan, TheModelOfASuiteIsThatOfRandomWeightsAlone) {
  Suite quick = read_suite(WAN_SOURCE_DIR "/suites/quick.json");
  ASSERT_EQ(quick.model, "ti2v-5B");
  PlanOptions how = options();
  how.only = {"01_Text_To_Video"};
  const std::string key = plan_cases(quick, how)[0].key;
  EXPECT_EQ(plan_cases(quick, how)[0].details.request.model, "") << "the checkpoint says what it is";
  how.checkpoints = {WAN_FIXTURES "/mini-t2v-moe"};
  EXPECT_EQ(plan_cases(quick, how)[0].workload.task, "t2v") << "any checkpoint that a case fits";
  quick.model.clear();
  EXPECT_EQ(plan_cases(quick, options())[0].key, key) << "runs of an older suite are found again";

  PlanOptions random;
  random.random_weights = true;
  quick.model = "t2v-A14B";
  quick.cases.resize(1);
  EXPECT_EQ(plan_cases(quick, random)[0].workload.task, "t2v");
  random.model = "ti2v-5B";
  EXPECT_EQ(plan_cases(quick, random)[0].workload.task, "ti2v") << "--model goes before it";
  quick.cases[0].request.model = "t2v-A14B";
  EXPECT_EQ(plan_cases(quick, random)[0].workload.task, "t2v") << "a case's own before both";
}

TEST(Plan, ACaseTakesTheCheckpointOfItsModelAndIsLeftOutWithoutOne) {
  Suite suite = test::small_suite();
  suite.cases[0].request.model = "ti2v-5B";
  suite.cases[1].request.model = "t2v-A14B";
  PlanOptions how = options();
  how.checkpoints.push_back(WAN_FIXTURES "/mini-t2v-moe");
  EXPECT_TRUE(leave_out_other_models(suite, how).empty());
  const auto plan = plan_cases(suite, how);
  EXPECT_EQ(plan[0].details.request.checkpoint, kCheckpoint);
  EXPECT_EQ(plan[1].details.request.checkpoint, how.checkpoints[1]);
  EXPECT_EQ(plan[2].details.request.checkpoint, kCheckpoint) << "names no model: the first";

  how = options();
  how.only = {"two"};
  EXPECT_TRUE(leave_out_other_models(suite, how).empty()) << "asked for by name: to be refused, not dropped";
  EXPECT_THAT(refusal(suite, how), HasSubstr("t2v-A14B"));
  how.only.clear();
  const auto lines = leave_out_other_models(suite, how);
  ASSERT_EQ(lines.size(), 1u);
  EXPECT_THAT(lines[0], HasSubstr("two: left out, it needs a t2v-A14B checkpoint"));
  EXPECT_EQ(plan_cases(suite, how).size(), 2u);
}

TEST(Plan, ChoosesCasesByNameOrAlias) {
  PlanOptions how = options();
  how.only = {"alias"};
  EXPECT_EQ(plan_cases(one_case(), how).size(), 1u);
  how.only = {"alias", "ghost"};
  EXPECT_THAT(refusal(one_case(), how), HasSubstr("--case ghost"));
}

TEST(Plan, RefusesImpossibleSizesAndMissingCheckpointsByCase) {
  Suite suite = one_case();
  suite.cases[0].request.num_frames = 6;
  EXPECT_THAT(refusal(suite, options()), HasSubstr("case one: "));
  suite = one_case();
  suite.cases[0].request.width = 33;
  EXPECT_THAT(refusal(suite, options()), HasSubstr("case one: "));
  PlanOptions how = options();
  how.checkpoints = {"/nonexistent"};
  EXPECT_THAT(refusal(one_case(), how), HasSubstr("/nonexistent"));
}

TEST(Plan, TheKeyChangesWithEverySettingButNotWithTheFolder) {
  const std::string key = plan_cases(one_case(), options())[0].key;
  Suite suite = one_case();
  suite.cases[0].request.seed = 43;
  EXPECT_NE(plan_cases(suite, options())[0].key, key);
  suite = one_case();
  suite.cases[0].notes = "other notes";
  EXPECT_EQ(plan_cases(suite, options())[0].key, key);
  PlanOptions how = options();
  how.checkpoints = {WAN_FIXTURES "/../fixtures/mini-ti2v-t2v/"};
  EXPECT_EQ(plan_cases(one_case(), how)[0].key, key);
  how.checkpoints = {WAN_FIXTURES "/mini-ti2v-i2v"};  // other weights of the same sizes
  EXPECT_NE(plan_cases(one_case(), how)[0].key, key);
}

TEST(Plan, ALimitOfTheCommandLineIsThatOfEveryCaseAndPartOfItsKey) {
  PlanOptions how = options();
  how.device = "cuda:0";
  Suite suite = one_case();
  const std::string key = plan_cases(suite, how)[0].key;
  how.gpu_memory_limit = MemorySize{uint64_t{12} << 30};
  const PlannedCase limited = plan_cases(suite, how)[0];
  EXPECT_EQ(limited.details.request.gpu_memory_limit, how.gpu_memory_limit);
  EXPECT_NE(limited.key, key);
  suite.cases[0].request.gpu_memory_limit = MemorySize{uint64_t{16} << 30};
  EXPECT_EQ(plan_cases(suite, how)[0].key, limited.key) << "before the suite's own";
  how.gpu_memory_limit.reset();
  EXPECT_NE(plan_cases(suite, how)[0].key, limited.key);
  how.device = "cpu";
  EXPECT_THAT(refusal(suite, how), HasSubstr("--gpu-memory-limit 16GiB"));
}

TEST(Plan, ATuningTableCountsByItsContentAndReachesEveryCase) {
  const std::string key = plan_cases(one_case(), options())[0].key;
  const wan::test::TemporaryFolder folder;
  const auto with = [&](const std::string& name, const std::string& text) {
    std::ofstream(folder / name) << text;
    PlanOptions how = options();
    how.tuning_table = folder / name;
    return plan_cases(one_case(), how)[0];
  };
  const PlannedCase first = with("first", "# rows\n");
  EXPECT_NE(first.key, key);
  EXPECT_TRUE(first.details.request.tuning_table.is_absolute());
  EXPECT_EQ(with("again", "# rows\n").key, first.key);
  EXPECT_NE(with("other", "# other rows\n").key, first.key);
  PlanOptions missing = options();
  missing.tuning_table = "/nonexistent/table";
  EXPECT_THAT(refusal(one_case(), missing), HasSubstr("/nonexistent/table"));
}

TEST(Plan, ACommandThatCannotBeExpandedIsRefusedBeforeAnythingRuns) {
  PlanOptions how = options();
  how.command = {"sh", "-c", "gen \"{prompt}\""};
  EXPECT_THAT(refusal(one_case(), how), HasSubstr("$WANBENCH_PROMPT"));
}

TEST(Weights, AreListedByComponentWithDigests) {
  const auto weights = weight_files(WeightChoice::at(kCheckpoint));
  std::map<std::string, int> components;
  for (const WeightsFile& file : weights) {
    ++components[file.component];
    EXPECT_EQ(file.digest.size(), 64u);
    EXPECT_GT(file.size_bytes, 0u);
  }
  EXPECT_EQ(components["dit"], 4);
  EXPECT_EQ(components["vae"], 1);
  EXPECT_EQ(components["text_encoder"], 1);
  EXPECT_THROW(weight_files(WeightChoice::at("/nonexistent")), Error);
}

}  // namespace
}  // namespace wan::suite
