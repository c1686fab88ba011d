// The order of a suite's runs, with and without a rule that says when to stop.
#include "suite/schedule.h"

#include <cmath>
#include <set>
#include <tuple>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "fixtures.h"

namespace wan::suite {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

class ScheduleTest : public ::testing::Test {
 protected:
  /// Runs all of it; run number r of a case takes `seconds(r)`.
  std::vector<std::string> play(const Repetition& repetition, const std::function<double(int64_t)>& seconds) {
    Schedule schedule(
        plan_, repetition,
        [&](const PlannedCase& planned, RunScope scope, int64_t repeat) {
          return stored_.contains({planned.details.name, scope, repeat}) ? &record_ : nullptr;
        },
        [&](const std::string& text) { notes_.push_back(text); });
    std::vector<std::string> names;
    left_ = schedule.left();
    while (const auto job = schedule.next()) {
      const char kind = job->warmup ? 'u' : job->scope == RunScope::kWarm ? 'w' : 'c';
      names.push_back(job->planned->details.name.substr(0, 2) + kind + std::to_string(job->first_repeat));
      std::vector<RunRecord> records;
      for (int64_t i = 0; i < job->videos; ++i) records.push_back(record_of(seconds(job->first_repeat + i)));
      schedule.ended(*job, records);
    }
    EXPECT_EQ(schedule.left(), 0);
    skipped_ = schedule.skipped();
    return names;
  }
  std::vector<std::string> play(const Repetition& repetition) {
    return play(repetition, [](int64_t) { return 1.0; });
  }

  static RunRecord record_of(double seconds) {
    RunRecord record;
    record.workload.scope = RunScope::kCold;
    for (const char* name : {"Step_0_Inference", "Total_Execution"}) {
      StageRecord stage;
      stage.id = stage.name = name;
      stage.role = stage_from_name(stage.name).role;
      stage.index = stage.id == "Step_0_Inference" ? 0 : -1;
      stage.wall_ns = std::llround(seconds * 1e9);
      record.stages.push_back(stage);
    }
    record.stages.back().kind = StageKind::kParent;
    return record;
  }

  const std::vector<PlannedCase> plan_ = test::planned(test::small_suite());
  const RunRecord record_ = record_of(1);
  std::set<std::tuple<std::string, RunScope, int64_t>> stored_;
  std::vector<std::string> notes_;
  int64_t left_ = 0, skipped_ = 0;
};

TEST_F(ScheduleTest, BeginsWithTheRepeatThatItIsTold) {
  EXPECT_THAT(play({.repeats = 4, .warmups = 1, .first_repeat = 3}),
              ElementsAre("onu0", "onc3", "twu0", "twc3", "thu0", "thc3"));
  EXPECT_EQ(left_, 6);
}

TEST_F(ScheduleTest, InterleavesRepeatsAndPutsWarmVideosLast) {
  EXPECT_THAT(play({2, {}, 3, 1, RunOrder::kInterleaved}), ElementsAre("onu0", "onc0", "twu0", "twc0", "thu0", "thc0",
                                                                       "onc1", "twc1", "thc1", "onw0", "tww0", "thw0"));
  EXPECT_EQ(left_, 12);
}

TEST_F(ScheduleTest, GroupsOneCaseAfterTheOther) {
  EXPECT_THAT(play({2, {}, 3, 1, RunOrder::kGrouped}), ElementsAre("onu0", "onc0", "onc1", "onw0", "twu0", "twc0",
                                                                   "twc1", "tww0", "thu0", "thc0", "thc1", "thw0"));
}

TEST_F(ScheduleTest, LeavesOutWhatIsStored) {
  stored_ = {{"one", RunScope::kCold, 0}, {"two", RunScope::kCold, 1}, {"one", RunScope::kWarm, 0}};
  EXPECT_THAT(play({2, {}, 2, 1, RunOrder::kInterleaved}),
              ElementsAre("twu0", "twc0", "thu0", "thc0", "onc1", "thc1", "tww0", "thw0", "onw1"));
  EXPECT_EQ(left_, 9);
  EXPECT_EQ(skipped_, 3);
}

TEST_F(ScheduleTest, StopsEachCaseAtFiveRunsThatAgree) {
  const auto names = play({1, measure::StoppingRule{}, 0, 0, RunOrder::kGrouped});
  EXPECT_EQ(names.size(), 15u);
  EXPECT_EQ(left_, 15);
  ASSERT_EQ(notes_.size(), 3u);
  EXPECT_EQ(notes_[0], "one: converged after 5 runs");
}

TEST_F(ScheduleTest, GoesOnToTheCapWhereRunsDisagree) {
  const auto names = play({1, measure::StoppingRule{}, 0, 0, RunOrder::kGrouped},
                          [](int64_t repeat) { return repeat % 2 == 0 ? 1.0 : 1.5; });
  EXPECT_EQ(names.size(), 45u);
  EXPECT_THAT(notes_[0], HasSubstr("one: not converged after 15 runs"));
  EXPECT_THAT(notes_[0], HasSubstr("steady step"));
}

TEST_F(ScheduleTest, WarmVideosStopByTheRuleToo) {
  EXPECT_THAT(play({0, {}, 0, 0, RunOrder::kInterleaved, measure::StoppingRule{}}),
              ElementsAre("onw0", "tww0", "thw0"));
  ASSERT_EQ(notes_.size(), 3u);
  EXPECT_EQ(notes_[0], "one, warm: converged after 5 runs");
}

TEST_F(ScheduleTest, WarmVideosThatDisagreeAreRepeatedInFurtherProcessesUpToTheCap) {
  EXPECT_THAT(play({0, {}, 0, 0, RunOrder::kInterleaved, measure::StoppingRule{}},
                   [](int64_t repeat) { return repeat % 2 == 0 ? 1.0 : 1.5; }),
              ElementsAre("onw0", "tww0", "thw0", "onw5", "tww5", "thw5", "onw10", "tww10", "thw10"));
  EXPECT_THAT(notes_[0], HasSubstr("one, warm: not converged after 15 runs"));
}

TEST_F(ScheduleTest, StoredWarmVideosCountForTheRule) {
  for (int64_t repeat = 0; repeat < 3; ++repeat) stored_.insert({"one", RunScope::kWarm, repeat});
  EXPECT_THAT(play({0, {}, 0, 0, RunOrder::kGrouped, measure::StoppingRule{}}), ElementsAre("onw3", "tww0", "thw0"));
  EXPECT_EQ(skipped_, 3);
}

TEST_F(ScheduleTest, TheTimeCapCountsTheCasesOwnRuns) {
  measure::StoppingRule rule;
  rule.max_seconds = 2.5;
  const auto names = play({1, rule, 0, 0, RunOrder::kInterleaved});
  EXPECT_EQ(names.size(), 9u);  // three runs of one second in each case
}

TEST_F(ScheduleTest, StoredRunsCountForTheRule) {
  for (int64_t repeat = 0; repeat < 4; ++repeat) stored_.insert({"one", RunScope::kCold, repeat});
  for (int64_t repeat = 0; repeat < 5; ++repeat) stored_.insert({"two", RunScope::kCold, repeat});
  const auto names = play({1, measure::StoppingRule{}, 0, 1, RunOrder::kGrouped});
  EXPECT_THAT(names, ElementsAre("onc4", "thu0", "thc0", "thc1", "thc2", "thc3", "thc4"));
  EXPECT_EQ(skipped_, 9);
}

}  // namespace
}  // namespace wan::suite
