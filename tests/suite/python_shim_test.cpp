// The shim that marks the stages of the official Python program, in a package of the same shape on a device that works
// beside the host; and that other programs notice nothing of it.
#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "fixtures.h"
#include "suite/runner.h"
#include "temporary_folder.h"

namespace wan::suite {
namespace {

namespace fs = std::filesystem;
using testing::ElementsAre;
using testing::HasSubstr;

constexpr int64_t kNsPerMs = 1'000'000;
constexpr int64_t kProductNs = 5 * kNsPerMs;  // one product on the device of tests/external/fake_torch

class PythonShimTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (std::string(WAN_PYTHON).empty()) GTEST_SKIP() << "there is no Python 3";
  }

  static std::string shim() { return std::string(WAN_SOURCE_DIR) + "/src/inject/python"; }
  static std::string external(const std::string& name) {
    return std::string(WAN_SOURCE_DIR) + "/tests/external/" + name;
  }

  /// Runs Python with `arguments`, our shim in front of `path`.
  RunRecord run(std::vector<std::string> arguments, const std::string& path) {
    Suite suite = test::small_suite();
    suite.cases.resize(1);
    RunOptions options = test::options(folder_ / "results", "", "ok", 1);
    options.command = {WAN_PYTHON, "-B"};
    for (std::string& word : arguments) options.command.push_back(std::move(word));
    options.python_path = shim() + ":" + path;
    measure::GpuSet gpus;
    test::Silent display;
    return run_suite(suite, test::planned(suite), options, gpus, display).records.at(0);
  }
  RunRecord run_official(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), external("official/generate.py"));
    return run(std::move(arguments), external("fake_torch"));
  }
  RunRecord run_script(const std::string& text, const std::string& path = "") {
    std::ofstream(folder_ / "script.py") << text;
    return run({(folder_ / "script.py").string()}, path);
  }

  static std::vector<std::string> ids(const RunRecord& record, StageKind kind) {
    std::vector<std::string> result;
    for (const StageRecord& stage : record.stages)
      if (stage.kind == kind) result.push_back(stage.id);
    return result;
  }
  static int64_t length_ns(const RunRecord& record, const std::string& id) {
    const StageRecord* stage = find_stage(record, id);
    return stage == nullptr ? -1 : stage->wall_ns;
  }
  static std::string fact(const RunRecord& record, const std::string& key) {
    const auto found = record.engine.facts.find(key);
    return found == record.engine.facts.end() ? "" : found->second;
  }
  static void expect_no_overlap(const RunRecord& record) {
    int64_t sum_ns = 0;
    for (const StageRecord& stage : record.stages)
      if (stage.kind == StageKind::kLeaf) sum_ns += stage.wall_ns;
    EXPECT_EQ(sum_ns, total_stage(record)->wall_ns);
  }

  const wan::test::TemporaryFolder folder_;
};

TEST_F(PythonShimTest, MarksTheStagesOfTheOfficialProgram) {
  const RunRecord record = run_official({"ti2v", "2", "64"});
  EXPECT_EQ(record.status, RunStatus::kOk);
  EXPECT_EQ(record.engine.marker_source, "shim");
  EXPECT_EQ(fact(record, "shim_failure"), "");
  EXPECT_EQ(record.engine.versions.at("torch"), "0.fake");
  EXPECT_THAT(record.engine.env.at("PYTHONPATH"), HasSubstr(shim()));
  EXPECT_THAT(ids(record, StageKind::kLeaf),
              ElementsAre("Model_Initialization", "T5_Encoding", "Step_0_Loading", "Step_0_Inference",
                          "Step_1_Inference", "VAE_Decoding", "Output_Encoding", "Unattributed"));
  EXPECT_THAT(ids(record, StageKind::kComponent),
              ElementsAre("Model_Initialization/import", "Model_Initialization/text_encoder",
                          "Model_Initialization/vae", "Model_Initialization/dit", "T5_Encoding/upload",
                          "T5_Encoding/encode", "T5_Encoding/offload", "Step_0_Inference/cond",
                          "Step_0_Inference/uncond", "Step_0_Inference/solver", "Step_1_Inference/cond",
                          "Step_1_Inference/uncond", "Step_1_Inference/solver", "VAE_Decoding/offload"));
  EXPECT_EQ(find_stage(record, "T5_Encoding/encode")->count, 2) << "both prompts in one row";
  EXPECT_EQ(find_stage(record, "Step_1_Inference")->index, 1);
  EXPECT_EQ(find_stage(record, "Model_Initialization")->begin_ns.value, 0);
  expect_no_overlap(record);
}

TEST_F(PythonShimTest, AStageOnTheDeviceIsAsLongAsItsWorkThere) {
  const RunRecord record = run_official({"ti2v", "2", "64"});
  EXPECT_EQ(find_stage(record, "T5_Encoding")->begin_ns.source, "cuda_event");
  EXPECT_EQ(find_stage(record, "Step_1_Inference")->begin_ns.source, "cuda_event");
  // The host queues 8 products a call in no time; read by its clock, step 0 would be nearly empty, and all of the work
  // would fall on where the program first waits: the offload before decoding.
  const int64_t slack_ns = kNsPerMs / 100;  // rounding of microseconds
  EXPECT_GE(length_ns(record, "Step_0_Inference"), 16 * kProductNs - slack_ns);
  EXPECT_GE(length_ns(record, "Step_0_Inference/cond"), 8 * kProductNs - slack_ns);
  EXPECT_GE(length_ns(record, "Step_1_Inference"), 16 * kProductNs - slack_ns);
  EXPECT_GE(length_ns(record, "VAE_Decoding"), 16 * kProductNs - slack_ns);
}

TEST_F(PythonShimTest, ExpertsThatChangePlacesAreTheirStepsLoading) {
  const RunRecord record = run_official({"t2v", "4", "64"});
  EXPECT_EQ(fact(record, "shim_failure"), "");
  EXPECT_THAT(ids(record, StageKind::kLeaf),
              ElementsAre("Model_Initialization", "T5_Encoding", "Step_0_Loading", "Step_0_Inference",
                          "Step_1_Inference", "Step_2_Loading", "Step_2_Inference", "Step_3_Inference", "VAE_Decoding",
                          "Output_Encoding", "Unattributed"));
  EXPECT_GE(length_ns(record, "Step_2_Loading"), 2 * kProductNs);  // a move takes as long as a product
  EXPECT_GE(length_ns(record, "T5_Encoding"), 4 * kProductNs);     // on the CPU
  expect_no_overlap(record);
}

TEST_F(PythonShimTest, WithoutOffloadingNothingIsMovedAfterTheSteps) {
  const RunRecord record = run_official({"ti2v", "1", "64", "False"});
  EXPECT_EQ(find_stage(record, "VAE_Decoding/offload"), nullptr);
  EXPECT_EQ(find_stage(record, "T5_Encoding/offload"), nullptr);
  EXPECT_GE(length_ns(record, "VAE_Decoding"), 16 * kProductNs - kNsPerMs / 100);
}

TEST_F(PythonShimTest, SaysWhereAProgramRanOutOfMemory) {
  const RunRecord record = run_official({"ti2v", "3", "64", "True", "1"});
  EXPECT_EQ(record.status, RunStatus::kOutOfMemory);
  EXPECT_EQ(record.error->stage, "Step_1_Inference");
  EXPECT_EQ(fact(record, "shim_failure"), "");
  EXPECT_EQ(find_stage(record, "T5_Encoding")->begin_ns.source, "cuda_event");
  EXPECT_GE(length_ns(record, "Step_0_Inference"), 16 * kProductNs - kNsPerMs / 100);
  ASSERT_NE(find_stage(record, "Step_1_Inference"), nullptr);
  EXPECT_THAT(find_stage(record, "Step_1_Inference")->flags, ElementsAre("cut_off"));
  expect_no_overlap(record);
}

TEST_F(PythonShimTest, AProgramFindsItsOwnSitecustomizeAndPath) {
  fs::create_directories(folder_ / "own");
  std::ofstream(folder_ / "own/sitecustomize.py") << "mark = 'the program\\'s'\n";
  const RunRecord record = run_script(
      "import sys, sitecustomize\n"
      "assert sitecustomize.mark == 'the program\\'s'\n"
      "assert sitecustomize.__file__.endswith('own/sitecustomize.py')\n"
      "assert not [entry for entry in sys.path if 'inject' in entry], sys.path\n",
      (folder_ / "own").string());
  EXPECT_EQ(record.status, RunStatus::kOk) << record.error->stderr_tail;
  EXPECT_EQ(record.engine.marker_source, "total");
}

TEST_F(PythonShimTest, AnErrorInTheProgramsSitecustomizeIsItsOwn) {
  fs::create_directories(folder_ / "own");
  std::ofstream(folder_ / "own/sitecustomize.py") << "raise ValueError('of the program')\n";
  const RunRecord record = run_script("import sys\nsys.exit(3)\n", (folder_ / "own").string());
  EXPECT_EQ(record.error->exit_code.value, 3);  // Python reports such an error and goes on
  EXPECT_THAT(record.error->stderr_tail, HasSubstr("of the program"));
}

TEST_F(PythonShimTest, AProgramMayReuseTheDescriptorAndFork) {
  const RunRecord record = run_script(
      "import os, sys\n"
      "assert 'torch' not in sys.modules\n"
      "os.close(3)\n"
      "assert os.open('" +
          (folder_ / "own.txt").string() +
          "', os.O_CREAT | os.O_WRONLY) == 3\n"
          "import wan, wan.utils.utils as utils\n"
          "utils.save_video(wan.WanTI2V(8, -1).generate('', 1, True), '')\n"
          "if os.fork() == 0:\n"
          "    sys.exit(0)\n"
          "os.wait()\n"
          "assert os.fstat(3).st_size == 0\n",
      external("fake_torch") + ":" + external("official"));
  EXPECT_EQ(record.status, RunStatus::kOk) << record.error->stderr_tail;
  EXPECT_EQ(record.engine.marker_source, "shim");
  EXPECT_NE(find_stage(record, "Output_Encoding"), nullptr);
  EXPECT_EQ(find_stage(record, "Output_Encoding#2"), nullptr) << "the child has said the parent's stages again";
}

TEST_F(PythonShimTest, OtherProgramsAreMeasuredAsWithoutIt) {
  const RunRecord record = run_script("import sys\nassert 'torch' not in sys.modules\n");
  EXPECT_EQ(record.status, RunStatus::kOk) << record.error->stderr_tail;
  EXPECT_EQ(record.engine.marker_source, "total");
}

}  // namespace
}  // namespace wan::suite
