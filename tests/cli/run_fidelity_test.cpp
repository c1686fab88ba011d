// `wanbench run --fidelity`: a suite's cases against one of them, by the engine itself.
#include <filesystem>
#include <map>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "base/file.h"
#include "command_line.h"
#include "results/store.h"

namespace wan {
namespace {

namespace fs = std::filesystem;
using test::Ended;
using test::Says;
using testing::AllOf;
using testing::Not;

class RunFidelity : public test::CommandLine {
 protected:
  void write_suite(const std::string& cases) const {
    write_atomically(folder_ / "s.json", R"({"schema": "wanbench.suite", "format": 1, "name": "s", "version": "1",
      "defaults": {"prompt": "a cat", "width": 96, "height": 64, "num_frames": 5, "steps": 2, "solver": "euler",
                   "device": "cpu",
                   "checkpoint": ")" + checkpoint() +
                                             R"("}, "cases": [)" + cases + "]}");
  }
  Ended run_suite(const std::string& more) const {
    return run("run --suite s.json --output r --yes --no-video --cool-down 0 " + more);
  }
  /// By the case's name.
  std::map<std::string, RunRecord> judged() const {
    std::map<std::string, RunRecord> records;
    for (StoredRecord& stored : load_collection(folder_ / "r").records)
      if (stored.record.fidelity) records[stored.record.run_case.name] = std::move(stored.record);
    return records;
  }
};

TEST_F(RunFidelity, SetsEachCaseAgainstTheOneThatIsNamed) {
  write_suite(R"({"name": "first"}, {"name": "again"}, {"name": "dpm", "solver": "dpm++"},
                 {"name": "guided", "guidance_scale": 9}, {"name": "shorter", "num_frames": 1})");
  const Ended ended = run_suite("--fidelity first");
  EXPECT_EQ(ended.code, static_cast<int>(ExitCode::kSuccess)) << ended.output;
  EXPECT_THAT(ended.output, AllOf(Says("first: fidelity is not measured: it is the reference itself"),
                                  Says("shorter: fidelity is not measured: it has 1 frames, the reference 5"),
                                  Says("again, fidelity against first")));
  const std::map<std::string, RunRecord> records = judged();
  ASSERT_EQ(records.size(), 3u);

  const FidelityRecord& again = *records.at("again").fidelity;
  EXPECT_TRUE(again.comparison.identical);
  EXPECT_FALSE(again.still.has_value());
  EXPECT_EQ(find_score(again.comparison, "psnr")->mean.reason, "identical");
  EXPECT_EQ(find_score(again.comparison, "ssim")->mean.value, 1.0);

  // Begun with the same latent the same model gives the same velocity, whatever is then made of it.
  const FidelityComparison& dpm = records.at("dpm").fidelity->comparison;
  EXPECT_FALSE(dpm.identical);
  ASSERT_EQ(dpm.replayed.size(), 2u);
  EXPECT_EQ(worst_replayed(dpm)->relative_l2.value, 0.0);
  ASSERT_EQ(dpm.latents.size(), 2u);
  EXPECT_GT(dpm.latents.back().relative_l2.value, 0.0);
  EXPECT_NE(dpm.reference_sha256, dpm.test_sha256);
  EXPECT_EQ(dpm.test_sha256, records.at("dpm").output.sha256);

  const FidelityRecord& guided = *records.at("guided").fidelity;
  EXPECT_GT(worst_replayed(guided.comparison)->relative_l2.value, 0.0);
  ASSERT_TRUE(guided.still.has_value());
  for (const std::string& still : {guided.still->reference, guided.still->test, guided.still->difference})
    EXPECT_TRUE(fs::is_regular_file(folder_ / "r" / still)) << still;
  EXPECT_FALSE(fs::exists((folder_ / "r" / guided.still->test).parent_path() / "scratch"));
}

TEST_F(RunFidelity, SaysBeforeTheFirstRunThatNothingCanBeJudged) {
  write_suite(R"({"name": "first"})");
  const Ended ended = run_suite("--fidelity fp32");
  EXPECT_EQ(ended.code, static_cast<int>(ExitCode::kUsage));
  EXPECT_THAT(ended.output, AllOf(Says("no case can be set against it"), Says("it is the reference itself")));
  EXPECT_FALSE(fs::exists(folder_ / "r"));
  EXPECT_THAT(run_suite("--no-noise-floor").output, Says("--no-noise-floor requires --fidelity"));
  EXPECT_THAT(run_suite("--fidelity third").output, Says("expected fp32, bf16, or a case of this run: first"));
}

TEST_F(RunFidelity, ADryRunSaysWhatWouldBeSetAgainstWhat) {
  write_suite(R"({"name": "first"}, {"name": "dpm", "solver": "dpm++"})");
  const Ended ended = run_suite("--fidelity first --dry-run");
  EXPECT_EQ(ended.code, static_cast<int>(ExitCode::kSuccess));
  EXPECT_THAT(ended.output, AllOf(Says("dpm fidelity against first"), Not(Says("noise floor"))));
  EXPECT_FALSE(fs::exists(folder_ / "r"));
}

TEST_F(RunFidelity, AnotherProgramsVideoIsSetAgainstOurs) {
  write_suite(R"({"name": "theirs"})");
  const std::string ours = "generate --device cpu --checkpoint " + checkpoint() +
                           " --prompt 'a cat' --size 96x64 --num-frames 5 --steps 2 --yes --output ours.mp4";
  ASSERT_EQ(run(ours).code, 0);
  const Ended ended =
      run("run --suite s.json --output r --yes --cool-down 0 --fidelity fp32 --engine command --command 'cp ours.mp4 "
          "{output}'");
  EXPECT_EQ(ended.code, static_cast<int>(ExitCode::kSuccess)) << ended.output;
  const std::map<std::string, RunRecord> records = judged();
  ASSERT_EQ(records.size(), 1u);
  const RunRecord& record = records.at("theirs");
  EXPECT_EQ(record.engine.kind, EngineKind::kExternal);
  const FidelityComparison& comparison = record.fidelity->comparison;
  EXPECT_TRUE(comparison.includes_codec);
  EXPECT_EQ(comparison.frames, 5);
  EXPECT_GT(find_score(comparison, "psnr")->mean.value, 20.0);
  EXPECT_EQ(comparison.why_not_replayed, "made_by_another_program");
  EXPECT_TRUE(record.stages.empty()) << "its times are those of the run that made the video";
}

}  // namespace
}  // namespace wan
