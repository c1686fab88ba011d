// The mean over cards of a kind, and how far cards and runs are apart.
#include "analysis/card_effect.h"

#include <algorithm>
#include <cmath>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "analysis/compare.h"
#include "analysis/summary.h"
#include "runs.h"

namespace wan {
namespace {

using testing::HasSubstr;

TEST(CardEffect, OfCardsAloneIsTheTextbooksAnalysisOfVariance) {
  // Cards' means 2, 4, 9; runs apart by 1: within = 3 * 2 / 6 = 1, of means 13, between = 13 - 1/3.
  const CardEffect effect = card_effect({{"a", "1", {1, 2, 3}}, {"b", "2", {3, 4, 5}}, {"c", "3", {8, 9, 10}}}, 0.95);
  EXPECT_EQ(effect.cards, 3);
  EXPECT_EQ(effect.runs, 9);
  EXPECT_FALSE(effect.by_node);
  EXPECT_DOUBLE_EQ(effect.mean, 5);
  EXPECT_DOUBLE_EQ(*effect.within_sd, 1);
  EXPECT_NEAR(*effect.between_sd, std::sqrt(13 - 1.0 / 3), 1e-12);
  const double half = 4.302652729911275 * std::sqrt(13.0 / 3);  // t of 2 degrees
  EXPECT_NEAR(effect.interval->low, 5 - half, 1e-9);
  EXPECT_NEAR(effect.interval->high, 5 + half, 1e-9);
}

TEST(CardEffect, CardsOfANodeAreNoIndependentUnits) {
  const CardEffect effect = card_effect({{"a", "1", {1}}, {"a", "2", {3}}, {"b", "3", {4}}, {"b", "4", {6}}}, 0.95);
  EXPECT_TRUE(effect.by_node);
  EXPECT_EQ(effect.nodes, 2);
  EXPECT_DOUBLE_EQ(effect.mean, 3.5);
  EXPECT_NEAR(effect.interval->high - 3.5, 12.706204736432095 * 1.5, 1e-9);  // t of 1 degree
  EXPECT_FALSE(effect.within_sd.has_value());                                // one run each
  EXPECT_FALSE(effect.between_sd.has_value());
}

TEST(CardEffect, ACardWithMoreRunsWeighsNoMore) {
  const CardEffect effect = card_effect({{"a", "1", {2}}, {"b", "2", {4, 4, 4, 4}}}, 0.95);
  EXPECT_DOUBLE_EQ(effect.mean, 3);
  EXPECT_DOUBLE_EQ(*effect.within_sd, 0);
  // Thomas and Hultquist: 2 - 0 * (1 + 1/4) / 2.
  EXPECT_NEAR(*effect.between_sd, std::sqrt(2.0), 1e-12);
}

TEST(CardEffect, OfOneUnitHasNoInterval) {
  EXPECT_FALSE(card_effect({{"a", "1", {2, 3}}}, 0.95).interval.has_value());
  EXPECT_FALSE(card_effect({{"a", "1", {2, 3}}, {"a", "2", {2, 3}}}, 0.95).interval.has_value());
}

TEST(CardEffect, RunsOwnSpreadIsNoCards) {
  EXPECT_DOUBLE_EQ(*card_effect({{"a", "1", {1, 9}}, {"b", "2", {2, 9}}}, 0.95).between_sd, 0);
}

std::vector<RunRecord> of_two_cards() {
  std::vector<RunRecord> runs;
  for (int64_t i = 0; i < 4; ++i) {
    runs.push_back(synthetic_run({10, i < 2 ? 5.0 : 6.0}, 0, i));
    runs.back().system.host = i < 2 ? "n1" : "n2";
    runs.back().system.gpus[0].uuid = i < 2 ? "GPU-1" : "GPU-2";
    seal(runs.back());
  }
  return runs;
}

TEST(CardEffect, AnEstimateOverCardsSaysSo) {
  std::vector<RunRecord> runs = of_two_cards();
  const auto groups = group_runs(pointers_to(runs));
  ASSERT_EQ(groups.size(), 1u);
  EXPECT_THAT(pooling_doubts(groups[0]),
              testing::ElementsAre(HasSubstr("runs of 2 cards on 2 nodes share this estimate")));
  runs[2].status = runs[3].status = RunStatus::kCrash;
  EXPECT_THAT(pooling_doubts(group_runs(pointers_to(runs))[0]), testing::IsEmpty());
}

TEST(CardEffect, OnACpuTheNodeIsTheCard) {
  std::vector<RunRecord> runs = of_two_cards();
  for (RunRecord& run : runs) run.system.gpus.clear();
  EXPECT_EQ(runs_by_card(pointers_to(runs)).size(), 2u);
  for (RunRecord& run : runs) run.system.host.clear();
  EXPECT_TRUE(runs_by_card(pointers_to(runs)).empty());
}

TEST(Company, RunsWithItShareNoEstimateWithLoneOnes) {
  std::vector<RunRecord> runs;
  for (int64_t i = 0; i < 4; ++i) {
    runs.push_back(synthetic_run({10, 5}, 0, i));
    if (i % 2 == 1) runs.back().engine.facts[kCompanyFact] = "others";
    seal(runs.back());
  }
  const auto groups = group_runs(pointers_to(runs));
  ASSERT_EQ(groups.size(), 2u);
  EXPECT_EQ(circumstances(summarise(groups[0])), "");
  EXPECT_EQ(circumstances(summarise(groups[1])), " (in company)");
  EXPECT_EQ(groups[1].runs.size(), 2u);
  const CaseSummary lone = summarise(groups[0]), beside = summarise(groups[1]);
  const auto caveats = compare_cases(lone, beside).caveats;
  EXPECT_TRUE(std::any_of(caveats.begin(), caveats.end(), [](const Caveat& caveat) {
    return caveat.text.find("had others beside them") != std::string::npos;
  }));
}

}  // namespace
}  // namespace wan
