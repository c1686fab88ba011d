// `wanbench run --launcher slurm` with commands in Slurm's place that run the tasks at once.
#include <cstdlib>
#include <filesystem>
#include <map>
#include <set>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "analysis/summary.h"
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
using testing::HasSubstr;
using testing::Not;

class SlurmRun : public test::CommandLine {
 protected:
  SlurmRun() {
    fs::create_directory(fake());
    setenv("FAKE_SLURM", fake().c_str(), 1);
    setenv("PATH", (std::string(WAN_SLURM_COMMANDS) + ":" + path_).c_str(), 1);
    write_atomically(folder_ / "s.json", R"({"schema": "wanbench.suite", "format": 1, "name": "s", "version": "1",
      "defaults": {"prompt": "a cat", "width": 96, "height": 64, "num_frames": 5, "steps": 1, "checkpoint": ")" +
                                             checkpoint() + R"("}, "cases": [{"name": "a"}, {"name": "c"}]})");
  }
  ~SlurmRun() override {
    unsetenv("FAKE_SLURM");
    setenv("PATH", path_.c_str(), 1);
  }
  fs::path fake() const { return folder_ / "fake"; }
  void say(const std::string& file, const std::string& text) const { write_atomically(fake() / file, text); }
  std::string calls() const { return read_text(fake() / "calls"); }
  Ended submit(const std::string& more) const {
    return run("run --launcher slurm --gpus-per-run 0 --suite s.json --output r --no-video --cool-down 0 --warmups 0 " +
               more);
  }
  /// How the runs that count ended, by case and repeat.
  std::map<std::string, RunRecord> runs() const {
    std::map<std::string, RunRecord> found;
    for (StoredRecord& stored : load_collection(folder_ / "r").records)
      if (!stored.record.run_case.warmup) {
        const std::string name = stored.record.run_case.name + " " + std::to_string(stored.record.run_case.repeat);
        EXPECT_FALSE(found.contains(name)) << name << " twice";
        found[name] = std::move(stored.record);
      }
    return found;
  }
  std::map<std::string, RunStatus> endings() const {
    std::map<std::string, RunStatus> found;
    for (const auto& [name, record] : runs()) found[name] = record.status;
    return found;
  }

  const std::string path_ = std::getenv("PATH");
};

using Endings = std::map<std::string, RunStatus>;
constexpr auto kOk = RunStatus::kOk;

TEST_F(SlurmRun, MakesATaskOfEachCaseAndRepeatAndOneReport) {
  const Ended ended = submit("--repeats 2 --nodes-at-once 3 --sbatch-option partition=gpu --wait");
  EXPECT_EQ(ended.code, 0) << ended.output;
  EXPECT_EQ(endings(), (Endings{{"a 0", kOk}, {"a 1", kOk}, {"c 0", kOk}, {"c 1", kOk}}));
  EXPECT_THAT(calls(), AllOf(HasSubstr("--array=0-3%3"), HasSubstr("--dependency=afterany:100")));
  EXPECT_TRUE(fs::exists(folder_ / "r/report.html"));
  EXPECT_FALSE(fs::exists(folder_ / "r/tasks/0/report.html"));
  for (const char* task : {"0", "1", "2", "3"}) EXPECT_TRUE(fs::exists(folder_ / "r/tasks" / task / "records")) << task;
  const RunRecord record = runs().at("c 1");
  EXPECT_EQ(record.engine.facts.at("launcher"), "slurm");
  EXPECT_EQ(record.engine.facts.at("slurm_job"), "100_3");
  const std::string script = read_text(folder_ / "r/slurm/submit.sbatch");
  EXPECT_THAT(script, AllOf(HasSubstr("#SBATCH --partition=gpu\n"), HasSubstr("#SBATCH --exclusive\n"),
                            Not(HasSubstr("--gres"))));
}

TEST_F(SlurmRun, ATasksWarmUpIsItsOwn) {
  ASSERT_EQ(run("run --launcher slurm --gpus-per-run 0 --suite s.json --case c --output r --no-video --cool-down 0 "
                "--repeats 2 --wait")
                .code,
            0);
  int warmups = 0;
  for (const StoredRecord& stored : load_collection(folder_ / "r").records) warmups += stored.record.run_case.warmup;
  EXPECT_EQ(warmups, 2);
}

TEST_F(SlurmRun, ALostNodeIsARecordUntilTheTaskIsRunAgain) {
  say("fail_nodes", "2\n");
  const Ended ended = submit("--repeats 2 --wait");
  EXPECT_EQ(ended.code, static_cast<int>(ExitCode::kFailure)) << ended.output;
  const RunRecord lost = runs().at("a 1");
  EXPECT_EQ(lost.status, RunStatus::kInterrupted);
  EXPECT_EQ(lost.engine.facts.at("slurm_state"), "NODE_FAIL");
  EXPECT_EQ(lost.engine.facts.at("slurm_state_source"), "sacct");
  EXPECT_EQ(lost.engine.facts.at("slurm_node"), "node2");
  EXPECT_THAT(lost.error->message, HasSubstr("task 100_2 on node2 ended as NODE_FAIL, says sacct"));
  EXPECT_THAT(ended.output, Says("over, and not all runs are ok: r/report.html"));
  EXPECT_THAT(read_text(folder_ / "r/report.html"), HasSubstr("interrupted on the unknown machine"));

  fs::remove(fake() / "fail_nodes");
  const Ended resumed = submit("--repeats 2 --wait --resume");
  EXPECT_EQ(resumed.code, 0) << resumed.output;
  EXPECT_THAT(calls(), HasSubstr("--array=2 "));
  EXPECT_EQ(endings(), (Endings{{"a 0", kOk}, {"a 1", kOk}, {"c 0", kOk}, {"c 1", kOk}}));
  EXPECT_FALSE(runs().at("a 1").engine.facts.contains("slurm_lost"));

  EXPECT_THAT(submit("--repeats 2 --resume").output, Says("nothing is missing"));
}

TEST_F(SlurmRun, WithoutAccountingTheControllerIsAskedAndElseTheStateHasAReason) {
  say("fail_nodes", "0\n");
  say("no_accounting", "");
  submit("--wait");
  EXPECT_EQ(runs().at("a 0").engine.facts.at("slurm_state"), "NODE_FAIL");
  EXPECT_EQ(runs().at("a 0").engine.facts.at("slurm_state_source"), "scontrol");
  say("no_controller", "");
  submit("--collect");
  const RunRecord lost = runs().at("a 0");
  EXPECT_FALSE(lost.engine.facts.contains("slurm_state"));
  EXPECT_EQ(lost.engine.facts.at("slurm_state_not_known"),
            "sacct: Slurm accounting storage is disabled; scontrol: slurm_load_jobs error: Invalid job id specified");
}

TEST_F(SlurmRun, WhatStillWaitsIsNotLostAndNotSubmittedAgain) {
  say("waits", "1\n");
  const Ended ended = submit("--wait");
  EXPECT_EQ(ended.code, 0) << ended.output;
  EXPECT_EQ(endings(), (Endings{{"a 0", kOk}}));
  const Ended resumed = submit("--resume");
  EXPECT_THAT(resumed.output, Says("1 tasks are still waiting or running"));
  EXPECT_THAT(calls(), Not(HasSubstr("--array=1 ")));
}

TEST_F(SlurmRun, ARunOnASharedNodeIsKnown) {
  ASSERT_EQ(submit("--case c --share-nodes --wait").code, 0);
  EXPECT_TRUE(runs().at("c 0").engine.facts.contains(kCompanyFact));
  EXPECT_THAT(read_text(folder_ / "r/slurm/submit.sbatch"), Not(HasSubstr("--exclusive")));
}

TEST_F(SlurmRun, MoreRepeatsGoBehindThoseThatAreThere) {
  ASSERT_EQ(submit("--wait").code, 0);
  ASSERT_EQ(submit("--repeats 2 --warm-repeats 2 --wait --resume").code, 0);
  EXPECT_THAT(calls(), AllOf(HasSubstr("--array=0-1 "), HasSubstr("--array=2-5 ")));
  int cold = 0, warm = 0;
  for (const StoredRecord& stored : load_collection(folder_ / "r").records)
    ++(stored.record.workload.scope == RunScope::kWarm ? warm : cold);
  EXPECT_EQ(cold, 4);
  EXPECT_EQ(warm, 4);
}

TEST_F(SlurmRun, ADryRunPrintsTheScriptsAndWritesNothing) {
  const Ended ended =
      run("run --launcher slurm --gpus-per-run 1 --sbatch-option time=00:30:00 --suite s.json --output 'it'\\''s here' "
          "--dry-run");
  EXPECT_EQ(ended.code, 0) << ended.output;
  EXPECT_THAT(ended.output,
              AllOf(HasSubstr("#!/bin/sh\n#SBATCH --job-name=wanbench\n"), HasSubstr("#SBATCH --gres=gpu:1\n"),
                    HasSubstr("#SBATCH --time=00:30:00\n"), HasSubstr("--output 'it'\\''s here'"),
                    HasSubstr("--slurm-task \"${SLURM_ARRAY_TASK_ID:?"), HasSubstr("device cuda:0"),
                    Not(HasSubstr("--dry-run"))));
  EXPECT_FALSE(fs::exists(fake() / "calls"));
  EXPECT_FALSE(fs::exists(folder_ / "it's here"));
}

TEST_F(SlurmRun, ATaskRefusesAnotherPlanThanItWasSubmittedFor) {
  say("waits", "0\n1\n");
  submit("");
  std::string suite = read_text(folder_ / "s.json");
  suite.replace(suite.find("a cat"), 5, "a dog");
  write_atomically(folder_ / "s.json", suite);
  const Ended ended = submit("--slurm-task 0");
  EXPECT_EQ(ended.code, static_cast<int>(ExitCode::kUsage));
  EXPECT_THAT(ended.output, Says("the suite, the weights or the settings are others than where it was submitted"));
  EXPECT_THAT(submit("--slurm-task 7").output, Says("has 2 tasks"));
}

TEST_F(SlurmRun, RefusesWhatItCannotDoAndSaysWhatSbatchSaid) {
  say("refuse", "");
  EXPECT_THAT(submit("").output, Says("sbatch: error: invalid partition specified"));
  const std::string begin = "run --launcher slurm --suite s.json --output q ";
  EXPECT_THAT(run(begin).output, Says("say --gpus-per-run 1, or 0"));
  EXPECT_THAT(run(begin + "--gpus-per-run 1 --device cuda:3").output, Says("the cards that Slurm gives it"));
  EXPECT_THAT(run(begin + "--gpus-per-run 0 --repeats auto").output, Says("needs numbers of repeats"));
  EXPECT_THAT(run(begin + "--gpus-per-run 0 --trace-kernels").output, Says("runs what is timed"));
  EXPECT_THAT(run(begin + "--gpus-per-run 0 --replicas 2").output, Says("leave it out with slurm"));
  EXPECT_THAT(run("run --suite s.json --output q --wait").output, Says("--launcher"));
  EXPECT_THAT(run(begin + "--gpus-per-run 0 --sbatch-option 'time=1; rm x'").output,
              Says("becomes a line of a script"));
  EXPECT_THAT(run(begin + "--gpus-per-run 0 --sbatch-option wrap=ls").output, Says("expected one of account"));
  EXPECT_FALSE(fs::exists(folder_ / "q"));
}

}  // namespace
}  // namespace wan
