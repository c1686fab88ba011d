// Which forwards are reused: cases counted by hand, and what every schedule keeps to.
#include "sampler/forward_schedule.h"

#include <gtest/gtest.h>

namespace wan {
namespace {

std::vector<StepFacts> one_expert(size_t steps, bool is_guided = true) {
  return {steps, StepFacts{0, is_guided, true}};
}

std::vector<StepFacts> two_experts(size_t high, size_t low) {
  std::vector<StepFacts> facts(high, StepFacts{0, true, true});
  facts.resize(high + low, StepFacts{1, true, true});
  return facts;
}

MagnitudeRatios constant(size_t steps, double cond, double uncond) {
  MagnitudeRatios ratios{std::vector<std::optional<double>>(steps, cond),
                         std::vector<std::optional<double>>(steps, uncond)};
  ratios.cond[0] = ratios.uncond[0] = std::nullopt;
  return ratios;
}

std::string cond_of(const std::vector<StepFacts>& facts, const MagnitudeRatios& ratios, const ReuseSettings& settings) {
  std::vector<StepForwards> forwards = exact_forwards(facts);
  reuse_by_magnitude(facts, ratios, settings, forwards);
  EXPECT_EQ(letters_of_cond(forwards), letters_of_uncond(forwards));
  return letters_of_cond(forwards);
}

TEST(ReuseByMagnitude, ErrorsAddUpUntilTheThreshold) {
  const std::vector<StepFacts> facts = one_expert(10);
  // Ratios of 0.98: errors of 0.02, 0.0396, 0.058808 a step since the last one that was computed; sums 0.02, 0.0596,
  // 0.118408.
  const MagnitudeRatios ratios = constant(10, 0.98, 0.98);
  EXPECT_EQ(cond_of(facts, ratios, {0.06, 9, 0.2}), "CCrrCrrCrC");
  EXPECT_EQ(cond_of(facts, ratios, {0.0596, 9, 0.2}), "CCrCrCrCrC") << "the threshold itself is too much";
  EXPECT_EQ(cond_of(facts, ratios, {0.12, 9, 0.2}), "CCrrrCrrrC");
  EXPECT_EQ(cond_of(facts, ratios, {0.12, 1, 0.2}), "CCrCrCrCrC") << "at most one in a row";
  EXPECT_EQ(cond_of(facts, ratios, {0, 9, 0.2}), "CCCCCCCCCC");
}

TEST(ReuseByMagnitude, RatiosAboveOneAreErrorsTooAndMakeUpForThoseBelow) {
  MagnitudeRatios ratios = constant(8, 1.02, 1.02);
  EXPECT_EQ(cond_of(one_expert(8), ratios, {0.05, 9, 0}), "CrCrCrCC");
  // 1.02 * 0.98 = 0.9996: errors of 0.02 and nearly 0 in turn.
  for (size_t i = 2; i < 8; i += 2) ratios.cond[i] = ratios.uncond[i] = 0.98;
  EXPECT_EQ(cond_of(one_expert(8), ratios, {0.05, 9, 0}), "CrrrrCrC");
}

TEST(ReuseByMagnitude, TheShareThatIsComputedIsRoundedUp) {
  const MagnitudeRatios ratios = constant(10, 1, 1);
  EXPECT_EQ(cond_of(one_expert(10), ratios, {1, 9, 0}), "CrrrrrrrrC") << "the first step has nothing to reuse";
  EXPECT_EQ(cond_of(one_expert(10), ratios, {1, 9, 0.2}), "CCrrrrrrrC");
  EXPECT_EQ(cond_of(one_expert(10), ratios, {1, 9, 0.21}), "CCCrrrrrrC");
  // 0.1 * 30 is a little more than 3 in doubles.
  EXPECT_EQ(cond_of(one_expert(30), constant(30, 1, 1), {1, 99, 0.1}).find('r'), 3u);
  EXPECT_EQ(cond_of(one_expert(10), ratios, {1, 9, 1}), "CCCCCCCCCC");
}

TEST(ReuseByMagnitude, TheWorseBranchDecidesForBoth) {
  EXPECT_EQ(cond_of(one_expert(8), constant(8, 1, 0.95), {0.06, 9, 0}), "CrCrCrCC");
  EXPECT_EQ(cond_of(one_expert(8), constant(8, 0.95, 1), {0.06, 9, 0}), "CrCrCrCC");
  // Of a video without guidance the negative prompt's ratios say nothing.
  const std::vector<StepFacts> facts = one_expert(8, false);
  std::vector<StepForwards> forwards = exact_forwards(facts);
  reuse_by_magnitude(facts, constant(8, 1, 0.5), {0.06, 9, 0}, forwards);
  EXPECT_EQ(letters_of_cond(forwards), "CrrrrrrC");
  EXPECT_EQ(letters_of_uncond(forwards), "--------");
}

TEST(ReuseByMagnitude, AnExpertBeginsAnew) {
  const MagnitudeRatios ratios = constant(10, 1, 1);
  EXPECT_EQ(cond_of(two_experts(4, 6), ratios, {1, 9, 0.25}), "CrrrCCrrrC");
  // Nothing is carried over: had the skips of the first phase counted, the second would begin with fewer.
  EXPECT_EQ(cond_of(two_experts(4, 6), ratios, {1, 3, 0.25}), "CrrrCCrrrC");
  std::vector<StepFacts> low_only = two_experts(4, 6);
  for (size_t i = 0; i < 4; ++i) low_only[i].may_reuse = false;
  EXPECT_EQ(cond_of(low_only, ratios, {1, 9, 0.25}), "CCCCCCrrrC");
}

TEST(ReuseByMagnitude, WhatNoRatioIsKnownOfIsComputed) {
  MagnitudeRatios ratios = constant(8, 1, 1);
  ratios.uncond[3] = std::nullopt;
  EXPECT_EQ(cond_of(one_expert(8), ratios, {1, 9, 0}), "CrrCrrrC");
}

TEST(ReuseByMagnitude, EveryScheduleComputesItsEndsAndEachExpertsFirstStep) {
  for (const double ratio : {0.5, 0.9, 0.99, 1.0, 1.2})
    for (const double retention : {0.0, 0.3, 1.0})
      for (const size_t high : {0u, 1u, 5u, 12u}) {
        const std::vector<StepFacts> facts = two_experts(high, 12 - high);
        const std::string letters = cond_of(facts, constant(12, ratio, ratio), {0.3, 3, retention});
        EXPECT_EQ(letters.front(), 'C');
        EXPECT_EQ(letters.back(), 'C');
        if (high < 12) {
          EXPECT_EQ(letters[high], 'C');
        }
        EXPECT_EQ(letters.find("rrrr"), std::string::npos);
      }
}

TEST(GateGuidance, ADifferenceIsTakenFromTheStepBeforeAndOfOneExpert) {
  const auto uncond_of = [](const std::vector<StepFacts>& facts, int first) {
    std::vector<StepForwards> forwards = exact_forwards(facts);
    gate_guidance(facts, first, forwards);
    EXPECT_EQ(letters_of_cond(forwards), std::string(facts.size(), 'C'));
    return letters_of_uncond(forwards);
  };
  EXPECT_EQ(uncond_of(one_expert(6), 3), "CCCggg");
  EXPECT_EQ(uncond_of(one_expert(6), 0), "Cggggg") << "the first step has no difference to take";
  EXPECT_EQ(uncond_of(one_expert(6), 6), "CCCCCC");
  EXPECT_EQ(uncond_of(two_experts(3, 3), 2), "CCgCgg");
  EXPECT_EQ(uncond_of(one_expert(3, false), 1), "---");
  std::vector<StepFacts> high_only = two_experts(3, 3);
  for (size_t i = 3; i < 6; ++i) high_only[i].is_guided = false;
  EXPECT_EQ(uncond_of(high_only, 1), "Cgg---");
}

TEST(GateGuidance, GoesWithReusedForwards) {
  const std::vector<StepFacts> facts = one_expert(8);
  std::vector<StepForwards> forwards = exact_forwards(facts);
  gate_guidance(facts, 4, forwards);
  reuse_by_magnitude(facts, constant(8, 1, 0.9), {0.2, 9, 0}, forwards);
  // From the gate on the positive prompt's ratio decides alone: 1, which reuses all but the last step.
  EXPECT_EQ(letters_of_cond(forwards), "CrCrrrrC");
  EXPECT_EQ(letters_of_uncond(forwards), "CrCrgggg");
  EXPECT_EQ(count_of(forwards, Forward::kComputed), 5);
  EXPECT_EQ(count_of(forwards, Forward::kReused), 7);
  EXPECT_EQ(count_of(forwards, Forward::kGated), 4);
}

TEST(LeaveOpen, TheBeginningAndTheLastStepAreDecided) {
  const std::vector<StepFacts> facts = two_experts(5, 5);
  std::vector<StepForwards> forwards = exact_forwards(facts);
  gate_guidance(facts, 8, forwards);
  leave_open(facts, 0.2, forwards);
  EXPECT_EQ(letters_of_cond(forwards), "C????C???C");
  EXPECT_EQ(letters_of_uncond(forwards), "C????C??gg");
}

TEST(AtSteps, TakesTheNearestHalvesToTheEvenOne) {
  const MagnitudeRatios ratios{{std::nullopt, 1, 2, 3, 4}, {std::nullopt, 11, 12, 13, 14}};
  using Values = std::vector<std::optional<double>>;
  EXPECT_EQ(at_steps(ratios, 5), ratios);
  EXPECT_EQ(at_steps(ratios, 3).cond, (Values{std::nullopt, 2, 4}));
  EXPECT_EQ(at_steps(ratios, 3).uncond, (Values{std::nullopt, 12, 14}));
  // Of nine steps each lies halfway between two for every other: 0.5, 1.5, 2.5, 3.5 go to 0, 2, 2, 4.
  EXPECT_EQ(at_steps(ratios, 9).cond, (Values{std::nullopt, std::nullopt, 1, 2, 2, 2, 3, 4, 4}));
  EXPECT_EQ(at_steps(ratios, 1).cond, (Values{4}));
}

}  // namespace
}  // namespace wan
