// Numbers of a load test, on loads whose answer is known.
#include "analysis/load.h"

#include <cmath>
#include <random>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "analysis/load_text.h"

namespace wan {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Pair;

double uniform(std::mt19937_64& generator) { return (static_cast<double>(generator() >> 11) + 1) * 0x1p-53; }

LoadRequest request(double intended, double started, double ended) {
  LoadRequest one;
  one.intended_s = one.sent_s = intended;
  one.started_s = started;
  one.ended_s = ended;
  one.start_known = StartKnown::kEvents;
  return one;
}

/// Videos of 2 s that are asked for every 4 s.
LoadLevel half_loaded(int64_t count) {
  LoadLevel level;
  level.rate = 0.25;
  for (int64_t i = 0; i < count; ++i) {
    const auto at = static_cast<double>(4 * i);
    level.requests.push_back(request(at, at, at + 2));
  }
  return level;
}

TEST(QuantileInterval, OfIndependentValuesHasTheRanksOfTheBinomial) {
  std::vector<double> values;
  for (int i = 1; i <= 50; ++i) values.insert(values.end(), {static_cast<double>(i), static_cast<double>(50 + i)});
  const LooseInterval median = quantile_interval(values, 0.5);
  // P(B(100, 1/2) <= 39) = 0.0176 and P(B <= 40) = 0.0284: the ranks 40 and 61.
  EXPECT_EQ(median.low, 40);
  EXPECT_EQ(median.high, 61);
}

TEST(QuantileInterval, AnEndThatSoFewCannotGiveIsNone) {
  const std::vector<double> values = {5, 1, 4, 2, 3};
  EXPECT_FALSE(quantile_interval(values, 0.99).high.has_value());  // 0.99^5 is 0.95
  EXPECT_FALSE(quantile_interval(values, 0.5).low.has_value());    // 0.5^5 is 0.031
  EXPECT_FALSE(quantile_interval({values.data(), 1}, 0.5).high.has_value());
}

/// How often the interval of the p90 of 400 of M/M/1's responses holds the quantile that theory gives.
TEST(QuantileInterval, CoversTheQuantileOfAQueueWhoseValuesAreAlike) {
  constexpr double kRate = 0.7;
  constexpr int kTimes = 300;
  std::mt19937_64 generator(5);
  const double theory = -std::log(0.1) / (1 - kRate);
  int covered = 0;
  for (int i = 0; i < kTimes; ++i) {
    std::vector<double> values;
    double wait = 0;
    for (int k = 0; k < 2200; ++k) {
      const double service = -std::log(uniform(generator));
      if (k >= 200) values.push_back(wait + service);
      wait = std::max(0.0, wait + service + std::log(uniform(generator)) / kRate);
    }
    const LooseInterval interval = quantile_interval(values, 0.9);
    covered += interval.low.value_or(0) <= theory && theory <= interval.high.value_or(1e9) ? 1 : 0;
  }
  EXPECT_GE(covered, kTimes * 0.88);  // as independent values they would cover in half of the cases
}

TEST(LoadSummary, SaysQueueServiceAndRateOfARegularLoad) {
  const LoadLevel level = half_loaded(11);
  const LoadSummary summary = summarise(level, {});
  EXPECT_EQ(summary.completed, 11);
  EXPECT_EQ(summary.latency->at(0.99).value, 2);
  EXPECT_EQ(summary.queue->mean, 0);
  EXPECT_EQ(summary.service->at(0.5).value, 2);
  EXPECT_EQ(summary.per_s, 0.25);
  EXPECT_EQ(summary.name(), "0.25/s");
  EXPECT_THAT(summary.start_known, ElementsAre(Pair(StartKnown::kEvents, 11)));
}

TEST(LoadSummary, AScenarioHasMlperfsNameAndSaysWhichPromptsItHad) {
  LoadTest test;
  LoadLevel& level = test.levels.emplace_back();
  level.mode = LoadMode::kClosed;
  level.concurrency = 249;
  EXPECT_EQ(summarise(level, test).name(), "249 at once");
  level.scenario = LoadScenario::kOffline;
  EXPECT_EQ(summarise(level, test).name(), "Offline");
  level.scenario = LoadScenario::kSingleStream;
  EXPECT_EQ(summarise(level, test).name(), "SingleStream");
  EXPECT_THAT(load_notes(test, {}), IsEmpty()) << "a record of before 1.1";
  test.prompts = 248;
  test.prompts_sha256 = "abc";
  test.seed = 42;
  test.has_one_seed = true;
  EXPECT_THAT(load_notes(test, {}), ElementsAre("248 prompts of SHA-256 abc, every video with the seed 42"));
  test.prompts = 1;
  test.has_one_seed = false;
  EXPECT_THAT(load_notes(test, {}),
              ElementsAre("one prompt of SHA-256 abc, each video with a seed of its own, from 42"));
}

TEST(LoadSummary, TheWarmUpCountsForNothingButTheBeginOfTheRate) {
  LoadLevel level = half_loaded(3);
  level.requests[0].warm_up = true;
  level.requests[0].ended_s = 3;
  const LoadSummary summary = summarise(level, {});
  EXPECT_EQ(summary.asked, 2);
  EXPECT_EQ(summary.latency->mean, 2);
  EXPECT_EQ(summary.per_s, 2.0 / 7);  // completions at 3, 6 and 10
}

TEST(LoadSummary, EnergyWithWaitingIsThatOfWholeTurns) {
  LoadLevel level = half_loaded(3);  // completions at 2, 6 and 10: two turns of 2 s of waiting and 2 s of work
  level.requests[0].energy_j = 600;
  for (int at = 0; at <= 10; ++at) level.power.push_back({static_cast<double>(at), 100});
  level.power.push_back({10.5, 300});
  const LoadSummary summary = summarise(level, {});
  EXPECT_EQ(summary.video_energy_j->value, 600);
  EXPECT_EQ(summary.all_energy_j, 400);
  level.power.pop_back();
  level.power.pop_back();  // readings end a second before the last video: the last one stands for it
  EXPECT_EQ(summarise(level, {}).all_energy_j, 400);
  level.power.pop_back();  // two seconds
  EXPECT_FALSE(summarise(level, {}).all_energy_j.has_value());
}

TEST(LoadSummary, GoodputIsByWhatTheServerExpectedOfEach) {
  LoadLevel level = half_loaded(4);
  LoadTest test;
  EXPECT_EQ(summarise(level, test).why_no_goodput, "no objective was given");
  test.objective_multiple = 1.5;
  EXPECT_THAT(summarise(level, test).why_no_goodput, HasSubstr("told of no request"));
  for (LoadRequest& one : level.requests) one.expected_s = 2;
  level.requests[1].expected_s = 1;          // a smaller video: 1.5 s were enough
  level.requests[2].end = LoadEnd::kFailed;  // counts as none within it
  const LoadSummary summary = summarise(level, test);
  EXPECT_EQ(summary.goodput->judged, 4);
  EXPECT_EQ(summary.goodput->within, 2);
  EXPECT_NEAR(*summary.goodput->per_s, *summary.per_s * 2 / 3, 1e-12);
  level.requests[3].end = LoadEnd::kRefused;  // before the server said what it expects
  level.requests[3].expected_s = {};
  EXPECT_EQ(summarise(level, test).goodput->judged, 4);
  EXPECT_EQ(summarise(level, test).goodput->within, 1);
  test.objective_multiple = {};
  test.objective_s = 3;
  EXPECT_EQ(summarise(level, test).goodput->within, 2);
}

TEST(LoadSummary, FailuresAreCountedByKind) {
  LoadLevel level = half_loaded(4);
  for (size_t i : {0, 1}) {
    level.requests[i].end = LoadEnd::kRefused;
    level.requests[i].detail = "429 queue_full";
  }
  level.requests[2].end = LoadEnd::kTimedOut;
  const LoadSummary summary = summarise(level, {});
  EXPECT_EQ(summary.completed, 1);
  EXPECT_FALSE(summary.per_s.has_value());
  EXPECT_THAT(summary.failures, ElementsAre(Pair("refused: 429 queue_full", 2), Pair("timed_out", 1)));
}

TEST(LoadText, SaysWhatIsNotKnownAndHowSharpItIs) {
  LoadTest test;
  test.poll_s = 0.5;
  test.why_no_power = "there is no card";
  test.levels.push_back(half_loaded(5));
  for (LoadRequest& one : test.levels[0].requests) one.start_known = StartKnown::kPolls;
  const LoadSummary level = summarise(test.levels[0], test);
  EXPECT_THAT(load_sentences(level, test), Contains(HasSubstr("asking every 0.5 s")));
  EXPECT_THAT(load_sentences(level, test), Contains(HasSubstr("p99 2.00 [2.00, -]")));
  EXPECT_THAT(load_notes(test, {level}), Contains("no power: there is no card"));
}

}  // namespace
}  // namespace wan
