// Tasks, scripts for Slurm and its answers, as text.
#include "suite/slurm.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "fixtures.h"
#include "results/json.h"
#include "suite/tasks.h"

namespace wan::suite {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

std::vector<Task> small_tasks() {
  return plan_tasks(test::planned(test::small_suite()), {.repeats = 2, .warm_repeats = 3});
}

TEST(Tasks, GoRoundTheCasesWarmOnesLast) {
  const std::vector<Task> tasks = small_tasks();
  ASSERT_EQ(tasks.size(), 9u);
  EXPECT_EQ(tasks[1], (Task{1, "key-of-two", RunScope::kCold, 0, 1, "two"}));
  EXPECT_EQ(tasks[5], (Task{5, "key-of-three", RunScope::kCold, 1, 1, "three"}));
  EXPECT_EQ(tasks[8], (Task{8, "key-of-three", RunScope::kWarm, 0, 3, "three"}));
}

TEST(Tasks, AreReadAsTheyWereWrittenAndKeepTheirPlaces) {
  const std::vector<Task> tasks = small_tasks();
  EXPECT_EQ(read_tasks(tasks_text(tasks), "t"), tasks);
  const std::vector<Task> more =
      plan_tasks(test::planned(test::small_suite()), {.repeats = 3, .warm_repeats = 4}, tasks);
  ASSERT_EQ(more.size(), 12u);
  EXPECT_EQ(more[8].videos, 4);
  EXPECT_EQ(more[9], (Task{9, "key-of-one", RunScope::kCold, 2, 1, "one"}));
}

TEST(Tasks, AFileOfAnythingElseIsRefusedByItsLine) {
  const std::string titles = tasks_text({});
  for (const char* line : {"1\tcold\t0\t1\tk\tn", "0\thot\t0\t1\tk\tn", "0\tcold\t-1\t1\tk\tn", "0\tcold\t0\t0\tk\tn",
                           "0\tcold\t0\t1\t../k\tn", "0\tcold\t0\t1\tk", "", "0\tcold\t0\t9999999999\tk\tn"})
    EXPECT_THAT([&] { read_tasks(titles + line + "\n", "tasks.tsv"); },
                testing::ThrowsMessage<Error>(HasSubstr("tasks.tsv: line 2")))
        << line;
  EXPECT_THROW(read_tasks("other\n", "t"), Error);
  EXPECT_THROW(plan_tasks(test::planned(test::small_suite()), {.repeats = 4000}), Error);
}

TEST(Tasks, AColdOneHasAWarmUpAndItsOwnRepeat) {
  const Repetition cold = repetition_of({0, "k", RunScope::kCold, 4, 1, "n"}, {.repeats = 9}, std::nullopt);
  EXPECT_EQ(cold.first_repeat, 4);
  EXPECT_EQ(cold.repeats, 5);
  EXPECT_EQ(cold.warmups, 1);
  EXPECT_EQ(cold.warm_repeats, 0);
  const Repetition warm = repetition_of({0, "k", RunScope::kWarm, 0, 3, "n"}, {.repeats = 9}, 2);
  EXPECT_EQ(warm.repeats, 0);
  EXPECT_EQ(warm.warmups, 0);
  EXPECT_EQ(warm.warm_repeats, 3);
}

TEST(Tasks, AnInterruptedRunIsMissing) {
  const Task task{0, "k", RunScope::kWarm, 0, 3, "n"};
  std::vector<StoredRecord> records(3);
  for (size_t i = 0; i < records.size(); ++i) {
    records[i].record.run_case.key = "k";
    records[i].record.run_case.repeat = static_cast<int64_t>(i);
    records[i].record.workload.scope = RunScope::kWarm;
  }
  records[0].record.status = RunStatus::kCrash;  // a result
  records[1].record.status = RunStatus::kInterrupted;
  records[2].record.run_case.warmup = true;
  EXPECT_THAT(missing_repeats(task, records), ElementsAre(1, 2));
}

TEST(Slurm, NamesIndexesInRanges) {
  EXPECT_EQ(array_spec({0, 1, 2, 3}, 2), "0-3%2");
  EXPECT_EQ(array_spec({0, 2, 3, 7}, 0), "0,2-3,7");
  EXPECT_EQ(read_submissions(submissions_text({{12, {0, 2, 3, 7}}}), "j").front().indexes,
            (std::vector<int64_t>{0, 2, 3, 7}));
  for (const char* line : {"x\t1", "1", "1\t3-1", "1\t0-99999999", "1\t"})
    EXPECT_THROW(read_submissions("job\ttasks\n" + std::string(line) + "\n", "j"), Error) << line;
}

TEST(Slurm, QuotesEveryWordOfTheScript) {
  ScriptFacts facts;
  facts.words = {"/opt/wan bench", "run", "--output", "it's $(here)", "--yes"};
  facts.folder = "/home/a b";
  EXPECT_EQ(task_script(facts),
            "#!/bin/sh\n#SBATCH --job-name=wanbench\n#SBATCH --nodes=1\n#SBATCH --ntasks=1\n#SBATCH --no-requeue\n"
            "#SBATCH --exclusive\ncd -- '/home/a b' || exit 1\n"
            "exec '/opt/wan bench' run --output 'it'\\''s $(here)' --yes "
            "--slurm-task \"${SLURM_ARRAY_TASK_ID:?is set by sbatch --array}\"\n");
  facts.words.emplace_back("two\nlines");
  EXPECT_THROW(task_script(facts), Error);
  facts.words.back() = std::string(2 << 20, 'x');
  EXPECT_THROW(task_script(facts), Error);
}

TEST(Slurm, OptionsAreNamesAndPlainValues) {
  EXPECT_EQ(parse_sbatch_option("--gres=gpu:h100:2").value, "gpu:h100:2");
  EXPECT_EQ(parse_sbatch_option("exclusive").value, "");
  for (const char* text : {"wrap=ls", "output=x", "clusters=other", "time", "time=", "comment=a b",
                           "comment=a\n#SBATCH --uid=0", "comment=$(x)", "comment='", "=x", ""})
    EXPECT_THROW(parse_sbatch_option(text), Error) << text;
  EXPECT_THROW(parse_sbatch_option("comment=" + std::string(201, 'x')), Error);
}

TEST(Slurm, AnOptionTakesThePlaceOfOurs) {
  ScriptFacts facts{{"w"}, "/", 2, true, {{"gres", "gpu:h100:1"}, {"exclusive", "user"}, {"partition", "p"}}};
  const std::string script = task_script(facts), collect = collect_script(facts);
  EXPECT_THAT(script, HasSubstr("#SBATCH --gres=gpu:h100:1\n#SBATCH --exclusive=user\n#SBATCH --partition=p\n"));
  EXPECT_THAT(script, testing::Not(HasSubstr("gpu:2")));
  EXPECT_THAT(script, testing::Not(HasSubstr("--exclusive\n")));
  EXPECT_THAT(collect, HasSubstr("#SBATCH --partition=p\n"));
  EXPECT_THAT(collect, testing::Not(HasSubstr("gres")));
}

TEST(Slurm, ReadsAJobsNumberAndQuotesAnythingElse) {
  EXPECT_EQ(parse_job("123\n"), 123);
  EXPECT_EQ(parse_job("123;cluster\n"), 123);
  EXPECT_THROW(parse_job(""), Error);
  EXPECT_THROW(parse_job("Submitted batch job 5\n"), Error);
}

TEST(Slurm, ReadsStatesOfTheAccounting) {
  const auto states = parse_sacct(
      "12_0|COMPLETED|0:0|n1\n12_1|CANCELLED by 1000|0:15|n2\n12_[2-3%2]|PENDING|0:0|None assigned\n"
      "13_0|FAILED|1:0|n1\n12_4|<b>|0:0|n1\n12_x|FAILED|0:0|n1\nrubbish\n12_5|NODE_FAIL|0:0|<script>\n",
      12);
  ASSERT_EQ(states.size(), 5u);
  EXPECT_EQ(states.at(1).state, "CANCELLED");
  EXPECT_EQ(states.at(1).exit_code, "0:15");
  EXPECT_EQ(states.at(3).state, "PENDING");
  EXPECT_EQ(states.at(3).node, "");
  EXPECT_EQ(states.at(5).node, "");
  EXPECT_EQ(states.at(0).source, "sacct");
}

TEST(Slurm, ReadsStatesOfTheController) {
  const auto states = parse_scontrol(
      "JobId=20 ArrayJobId=12 ArrayTaskId=1 JobName=x JobState=NODE_FAIL Reason=None ExitCode=0:1 ReqNodeList=(null) "
      "NodeList=n7\nJobId=12 ArrayJobId=12 ArrayTaskId=2-3%1 JobState=PENDING NodeList=(null)\n"
      "JobId=30 ArrayJobId=30 ArrayTaskId=1 JobState=FAILED\n",
      12);
  ASSERT_EQ(states.size(), 3u);
  EXPECT_EQ(states.at(1).state, "NODE_FAIL");
  EXPECT_EQ(states.at(1).node, "n7");
  EXPECT_EQ(states.at(2).state, "PENDING");
  EXPECT_TRUE(is_still_there(states.at(3).state));
}

TEST(Slurm, ALostTasksRecordSaysHowItEnded) {
  EXPECT_EQ(status_of_lost("TIMEOUT"), RunStatus::kTimeout);
  EXPECT_EQ(status_of_lost("OUT_OF_MEMORY"), RunStatus::kOutOfMemory);
  EXPECT_EQ(status_of_lost("FAILED"), RunStatus::kCrash);
  EXPECT_EQ(status_of_lost("NODE_FAIL"), RunStatus::kInterrupted);
  const PlannedCase planned = test::planned(test::small_suite()).front();
  RunRecord record = lost_record(
      {{4, planned.key, RunScope::kCold, 2, 1, "one"}, 12, {"TIMEOUT", "n2", "0:1", "sacct"}, ""}, 2, planned, {});
  EXPECT_EQ(record.run_case.repeat, 2);
  EXPECT_EQ(record.status, RunStatus::kTimeout);
  EXPECT_EQ(record.system.host, "n2");
  EXPECT_EQ(record_from_json(seal_to_json(record), "r"), record);
  EXPECT_FALSE(reason_not_counted(record).empty());
}

}  // namespace
}  // namespace wan::suite
