// What each spelling of guidance means for one model and for two experts, with the model's defaults where nothing is
// said.
#include "pipeline/guidance.h"

#include <gtest/gtest.h>

#include <array>
#include <optional>
#include <vector>

#include "base/error.h"
#include "pipeline/plan.h"

namespace wan {
namespace {

using Value = std::optional<double>;

constexpr std::array kTwo{ExpertSpec{"high", "", NoiseRange::kHigh, 4}, ExpertSpec{"low", "", NoiseRange::kLow, 3}};
constexpr std::array kOne{ExpertSpec{"", "", NoiseRange::kAll, 3}};

Request asked(Value scale, Value scale_2, Value low, Value high) {
  Request request;
  request.guidance_scale = scale;
  request.guidance_scale_2 = scale_2;
  request.guidance_low = low;
  request.guidance_high = high;
  return request;
}

struct Row {
  Value scale, scale_2, low, high;  // asked for
  double only;                      // what a single model is guided with
  double at_low, at_high;           // what each of two experts is guided with
};

constexpr double kRefused = -1;
const Value kNone;

/// The older rows are what the program computed before it knew the newer spelling.
const std::vector<Row> kRows = {
    {kNone, kNone, kNone, kNone, 3, 3, 4},    {kNone, kNone, 5.0, kNone, 5, 5, 5},
    {kNone, kNone, kNone, 6.0, 3, 3, 6},      {kNone, kNone, 5.0, 6.0, 5, 5, 6},
    {6.0, kNone, kNone, kNone, 6, 6, 6},      {kNone, 5.0, kNone, kNone, kRefused, 5, 4},
    {6.0, 5.0, kNone, kNone, kRefused, 5, 6},
};

TEST(Guidance, EverySpellingForOneModelAndForTwoExperts) {
  for (const Row& row : kRows) {
    const Request request = asked(row.scale, row.scale_2, row.low, row.high);
    const Guidance two = choose_guidance(request, kTwo);
    EXPECT_EQ(two.low, row.at_low);
    EXPECT_EQ(two.high, row.at_high);
    if (row.only == kRefused) {
      EXPECT_THROW(choose_guidance(request, kOne), Error);
    } else {
      EXPECT_EQ(choose_guidance(request, kOne).low, row.only);
    }
  }
}

TEST(Guidance, BothSpellingsInOneRequestAreRefused) {
  for (const Value scale : {kNone, Value(6.0)})
    for (const Value scale_2 : {kNone, Value(5.0)})
      for (const Value low : {kNone, Value(5.0)})
        for (const Value high : {kNone, Value(6.0)}) {
          const Request request = asked(scale, scale_2, low, high);
          const bool both = (scale || scale_2) && (low || high);
          EXPECT_EQ(mixes_spellings(request), both);
          if (both) {
            EXPECT_THROW(choose_guidance(request, kTwo), Error);
          }
        }
}

TEST(Guidance, SpelledByExpertItMeansTheSame) {
  for (const Row& row : kRows) {
    const Request request = asked(row.scale, row.scale_2, row.low, row.high);
    const Request same = by_expert(request);
    EXPECT_EQ(choose_guidance(same, kTwo).low, row.at_low);
    EXPECT_EQ(choose_guidance(same, kTwo).high, row.at_high);
    if (row.only != kRefused) {
      EXPECT_EQ(choose_guidance(same, kOne).low, row.only);
    }
    EXPECT_EQ(by_expert(same), same);
  }
  EXPECT_EQ(by_expert(asked(6.0, 5.0, kNone, kNone)), asked(kNone, kNone, 5.0, 6.0));
  EXPECT_EQ(by_expert(asked(6.0, kNone, kNone, kNone)), asked(kNone, kNone, 6.0, kNone));
  EXPECT_EQ(by_expert(asked(kNone, 5.0, kNone, kNone)), asked(kNone, 5.0, kNone, kNone))
      << "guidance_low alone would be of both experts";
}

TEST(Guidance, HasBothNamesForWhoeverWantsOne) {
  EXPECT_EQ(in_both_spellings(asked(kNone, kNone, kNone, kNone)), Request{});
  EXPECT_EQ(in_both_spellings(asked(6.0, kNone, kNone, kNone)), asked(6.0, kNone, 6.0, kNone));
  EXPECT_EQ(in_both_spellings(asked(6.0, 5.0, kNone, kNone)), asked(6.0, 5.0, 5.0, 6.0));
  EXPECT_EQ(in_both_spellings(asked(kNone, 5.0, kNone, kNone)), asked(kNone, 5.0, 5.0, kNone));
  EXPECT_EQ(in_both_spellings(asked(kNone, kNone, 5.0, kNone)), asked(5.0, kNone, 5.0, kNone));
  EXPECT_EQ(in_both_spellings(asked(kNone, kNone, 5.0, 6.0)), asked(6.0, 5.0, 5.0, 6.0));
  EXPECT_EQ(in_both_spellings(asked(kNone, kNone, kNone, 6.0)), asked(6.0, kNone, kNone, 6.0));
}

/// Through the plan of each published model.
TEST(Guidance, ReachesThePlan) {
  const auto plan_of = [](const char* model, Request request) {
    request.random_weights = true;
    request.model = model;
    request.device = "cpu";
    return make_plan(request, open_models(request));
  };
  const Request nothing, scale = asked(6.0, kNone, kNone, kNone), both = asked(6.0, 5.0, kNone, kNone),
                         second = asked(kNone, 5.0, kNone, kNone), older = asked(kNone, kNone, 5.0, 6.0);
  EXPECT_EQ(plan_of("ti2v-5B", nothing).guidance_low, 5.0);
  EXPECT_EQ(plan_of("ti2v-5B", scale).guidance_low, 6.0);
  EXPECT_EQ(plan_of("ti2v-5B", older).guidance_low, 5.0);
  EXPECT_THROW(plan_of("ti2v-5B", both), Error);
  EXPECT_THROW(plan_of("ti2v-5B", second), Error);
  const auto experts = [&](const Request& request) {
    const Plan plan = plan_of("t2v-A14B", request);
    return std::pair(plan.guidance_of(0), plan.guidance_of(plan.steps - 1));  // high noise first
  };
  EXPECT_EQ(experts(nothing), std::pair(4.0, 3.0));
  EXPECT_EQ(experts(scale), std::pair(6.0, 6.0));
  EXPECT_EQ(experts(both), std::pair(6.0, 5.0));
  EXPECT_EQ(experts(second), std::pair(4.0, 5.0));
  EXPECT_EQ(experts(older), std::pair(6.0, 5.0));
}

}  // namespace
}  // namespace wan
