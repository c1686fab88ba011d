// Two load tests against each other, with differences that are known.
#include "analysis/load_compare.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace wan {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

/// Forty videos of some `service` seconds, asked for every 20 s.
LoadTest example(double service, double rate = 0.05) {
  LoadTest test;
  test.adapter = "wanbench";
  test.settings = {{"size", "832x480"}};
  LoadLevel& level = test.levels.emplace_back();
  level.rate = rate;
  for (int i = 0; i < 40; ++i) {
    LoadRequest& request = level.requests.emplace_back();
    request.intended_s = request.sent_s = *(request.started_s = 20.0 * i);
    request.ended_s = 20.0 * i + service * (1 + 0.001 * (i * 7 % 11));
  }
  return test;
}

const LoadComparedRow& row_of(const LoadComparison& found, std::string_view name) {
  for (const LoadComparedRow& row : found.pairs.at(0).rows)
    if (row.name == name) return row;
  throw std::out_of_range(std::string(name));
}

TEST(CompareLoads, SaysWhichOfThemTakesLess) {
  const LoadView a(example(10)), b(example(5));
  const LoadComparison found = compare_loads(a, b, 0.01);
  EXPECT_TRUE(found.refusals.empty());
  EXPECT_EQ(row_of(found, "latency p50").verdict, Verdict::kFaster);
  EXPECT_NEAR(row_of(found, "latency p50").ratio, 0.5, 0.01);
  EXPECT_EQ(row_of(found, "service").verdict, Verdict::kFaster);
  EXPECT_EQ(row_of(found, "seconds a video").verdict, Verdict::kSame);  // both as often as they are asked
  EXPECT_EQ(row_of(compare_loads(b, a, 0.01), "service").verdict, Verdict::kSlower);
  EXPECT_EQ(row_of(compare_loads(a, a, 0.02), "service").verdict, Verdict::kSame);
}

TEST(CompareLoads, AScenarioAnswersItselfAloneAndOtherPromptsAreSaid) {
  LoadTest one = example(10), other = example(10);
  for (LoadTest* test : {&one, &other}) {
    test->levels[0].mode = LoadMode::kClosed;
    test->levels[0].rate = {};
    test->levels[0].concurrency = 1;
  }
  one.levels[0].scenario = LoadScenario::kSingleStream;
  one.prompts_sha256 = "a";
  const LoadView a(one), plain(other);
  const LoadComparison apart = compare_loads(a, plain, 0.01);
  EXPECT_THAT(apart.only_in_a, ElementsAre("SingleStream"));
  EXPECT_THAT(apart.only_in_b, ElementsAre("1 at once"));
  EXPECT_THAT(apart.caveats, Not(Contains(HasSubstr("other prompts")))) << "B does not say";
  other.levels[0].scenario = LoadScenario::kSingleStream;
  other.prompts_sha256 = "b";
  const LoadView b(std::move(other));
  EXPECT_EQ(compare_loads(a, b, 0.01).pairs.size(), 1u);
  EXPECT_THAT(compare_loads(a, b, 0.01).caveats, Contains(HasSubstr("other prompts")));
  EXPECT_THAT(compare_loads(a, a, 0.01).caveats, Not(Contains(HasSubstr("other prompts"))));
}

TEST(CompareLoads, AQuantileWithoutAnUpperEndDecidesNothing) {
  const LoadView a(example(10)), b(example(9.9));
  const LoadComparedRow row = row_of(compare_loads(a, b, 0.01), "latency p99");  // 0.99^40 is 0.67
  EXPECT_EQ(row.verdict, Verdict::kInconclusive);
  EXPECT_THAT(row.reason, HasSubstr("too few"));
}

TEST(CompareLoads, OtherRequestsAreNotTheSameWork) {
  LoadTest other = example(5);
  other.settings["size"] = "1280x720";
  other.settings["steps"] = "4";
  const LoadView a(example(10)), b(std::move(other));
  EXPECT_THAT(compare_loads(a, b, 0.01).refusals,
              ElementsAre(HasSubstr("size is 832x480 in A and 1280x720 in B"), HasSubstr("steps")));
}

TEST(CompareLoads, LevelsAnswerEachOtherByTheirRates) {
  const LoadView a(example(10)), near(example(10, 0.0505)), far(example(10, 0.08));
  EXPECT_EQ(compare_loads(a, near, 0.01).pairs.size(), 1u);
  const LoadComparison found = compare_loads(a, far, 0.01);
  EXPECT_TRUE(found.pairs.empty());
  EXPECT_THAT(found.only_in_a, ElementsAre("0.05/s"));
  EXPECT_THAT(found.only_in_b, ElementsAre("0.08/s"));
}

TEST(CompareLoads, WhatWasNotCompletedIsSaid) {
  LoadTest other = example(10);
  other.levels[0].requests[3].end = LoadEnd::kFailed;
  const LoadView a(example(10)), b(std::move(other));
  EXPECT_THAT(compare_loads(a, b, 0.01).caveats, Contains(HasSubstr("0 of 40 were not completed in A, 1 of 40 in B")));
}

}  // namespace
}  // namespace wan
