// What a recipe makes of a request: the parts of its row, those that the request gives another value, and refusals.
#include "pipeline/recipe.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>
#include <utility>

#include "base/error.h"
#include "driving_inputs.h"
#include "pipeline/expected_time.h"
#include "pipeline/plan.h"

namespace wan {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

Request request_for(const Variant& variant, std::string_view recipe = "") {
  Request request;
  request.random_weights = true;
  request.model = variant.name;
  request.device = "cpu";
  request.recipe = recipe;
  if (variant.image.presence == Presence::kRequired) request.image = WAN_FIXTURES "/mini-ti2v-i2v/input.png";
  if (variant.takes_audio()) request.audio = WAN_FIXTURES "/mini-s2v/input.wav";
  if (variant.takes_driving_video()) request.animate_inputs = test::driving_inputs(variant);
  return request;
}

Plan plan_of(const Request& request) { return make_plan(request, open_models(request)); }

template <class Change>
Plan plan_with(const char* model, const char* recipe, Change change) {
  Request request = request_for(variant_named(model), recipe);
  change(request);
  return plan_of(request);
}

template <class Change>
std::string refusal(const char* model, const char* recipe, Change change) {
  try {
    plan_with(model, recipe, change);
  } catch (const Error& problem) {
    EXPECT_EQ(problem.kind(), ErrorKind::kUsage) << problem.what();
    return problem.what();
  }
  return "accepted";
}

constexpr auto kAsItIs = [](Request&) {};

TEST(Recipes, AreOneRowForANameAndAModel) {
  EXPECT_EQ(recipes().front().name, kOfficialRecipe);
  for (const Variant& variant : variants()) {
    std::set<std::string_view> names;
    for (const Recipe& recipe : recipes())
      if (recipe.fits(variant)) {
        EXPECT_TRUE(names.insert(recipe.name).second) << variant.name << " " << recipe.name;
      }
    EXPECT_TRUE(names.contains(kOfficialRecipe));
  }
  for (const Recipe& recipe : recipes()) {
    EXPECT_FALSE(recipe.title.empty() || recipe.source.empty()) << recipe.name;
    for (std::string_view task : recipe.tasks) EXPECT_NE(find_task(task), nullptr) << recipe.name;
  }
}

TEST(Recipes, EveryRowMakesAPlanForEveryModelItIsFor) {
  for (const Variant& variant : variants()) {
    for (const Recipe& recipe : recipes()) {
      if (!recipe.fits(variant)) continue;
      const Plan plan = plan_of(request_for(variant, recipe.name));
      EXPECT_EQ(plan.recipe, &recipe);
      EXPECT_EQ(plan.solver, recipe.solver);
      EXPECT_EQ(plan.steps, recipe.steps > 0 ? recipe.steps : variant.defaults.steps);
      EXPECT_EQ(plan.schedule.steps(), plan.steps) << recipe.name;
      EXPECT_EQ(plan.shift.has_value(), recipe.has_shift());
      const bool is_guided = !recipe.guidance && variant.experts.front().guidance > 1;
      EXPECT_EQ(plan.uses_negative_prompt(), is_guided) << recipe.name;
      EXPECT_EQ(plan.passes(), is_guided ? 2 * plan.steps : plan.steps) << recipe.name;
    }
  }
}

TEST(Recipes, TheOfficialOneIsWhatNothingSaysAndChangesNoPlan) {
  for (const Variant& variant : variants()) {
    const Plan silent = plan_of(request_for(variant)), named = plan_of(request_for(variant, kOfficialRecipe));
    EXPECT_EQ(silent.recipe->name, kOfficialRecipe);
    EXPECT_EQ(silent.recipe, named.recipe);
    EXPECT_EQ(silent.schedule.timesteps, named.schedule.timesteps);
    EXPECT_EQ(silent.schedule.timesteps, unipc_schedule(silent.steps, *silent.shift).timesteps);
    EXPECT_EQ(silent.solver, Solver::kUniPC);
    EXPECT_FALSE(silent.split_step);
  }
}

TEST(Recipes, SplitTheStepsAsTheirAuthors) {
  struct {
    const char *model, *recipe;
    int64_t low_from;
  } const rows[] = {
      {"t2v-A14B", "lightning-4", 2},    {"i2v-A14B", "lightning-4", 2},    {"t2v-A14B", "lightning-8", 4},
      {"i2v-A14B", "lightning-8", 3},    {"t2v-A14B", "lightx2v-4", 2},     {"i2v-A14B", "lightx2v-4", 2},
      {"i2v-A14B", "rcm-4", 2},          {"t2v-A14B", "rcm-4", 2},          {"i2v-A14B", "rcm-1", 1},
      {"t2v-A14B", "20-step-split", 10}, {"i2v-A14B", "20-step-split", 10}, {"t2v-A14B", "official", 26},
  };
  for (const auto& row : rows)
    EXPECT_EQ(plan_with(row.model, row.recipe, kAsItIs).low_noise_from_step(), row.low_from)
        << row.model << " " << row.recipe;
}

TEST(Recipes, RcmIsWithNoiseFromTextAndWithoutFromAnImage) {
  const Plan text = plan_with("t2v-A14B", "rcm-2", kAsItIs), image = plan_with("i2v-A14B", "rcm-2", kAsItIs);
  EXPECT_EQ(text.solver, Solver::kLcm);
  EXPECT_EQ(image.solver, Solver::kEuler);
  EXPECT_EQ(text.schedule.timesteps[0], 988);
  EXPECT_EQ(image.schedule.timesteps[0], 996);
  EXPECT_LT(image.schedule.noise_scale, 1);
}

TEST(Recipes, EachPartMayHaveAnotherValue) {
  const Plan plan = plan_with("t2v-A14B", "lightning-4", [](Request& r) {
    r.steps = 6;
    r.shift = 3.0;
    r.guidance_scale = 2.0;
    r.guidance_scale_2 = 1.0;
    r.solver = Solver::kLcm;
    r.split_step = 1;
  });
  EXPECT_EQ(plan.schedule.steps(), 6);
  EXPECT_EQ(plan.shift, 3.0);
  EXPECT_EQ(plan.solver, Solver::kLcm);
  EXPECT_EQ(plan.low_noise_from_step(), 1);
  EXPECT_TRUE(plan.is_guided(0));
  EXPECT_FALSE(plan.is_guided(1));
  EXPECT_EQ(plan.passes(), 7);
  EXPECT_EQ(plan.passes_of(0), 2);
  EXPECT_EQ(plan.passes_of(1), 5);
  EXPECT_TRUE(plan.uses_negative_prompt());
}

TEST(Recipes, ASplitByTimestepReplacesOneByStepAndTheOtherWayRound) {
  EXPECT_EQ(plan_with("t2v-A14B", "lightx2v-4", [](Request& r) { r.boundary = 0.99; }).low_noise_from_step(), 1);
  EXPECT_EQ(plan_with("t2v-A14B", "official", [](Request& r) { r.split_step = 3; }).low_noise_from_step(), 3);
  EXPECT_EQ(plan_with("t2v-A14B", "official", [](Request& r) { r.split_step = 0; }).low_noise_from_step(), 0);
  EXPECT_EQ(plan_with("t2v-A14B", "official", [](Request& r) { r.split_step = 40; }).low_noise_from_step(), 40);
  const auto both = [](Request& r) {
    r.boundary = 0.9;
    r.split_step = 3;
  };
  EXPECT_THAT(refusal("t2v-A14B", "official", both), HasSubstr("--boundary and --split-step"));
  EXPECT_THAT(refusal("t2v-A14B", "official", [](Request& r) { r.split_step = 41; }),
              HasSubstr("--split-step 41: there are 40 steps"));
  EXPECT_THAT(refusal("t2v-A14B", "20-step-split", [](Request& r) { r.steps = 8; }),
              HasSubstr("--split-step 10: there are 8 steps"));
  EXPECT_THAT(refusal("ti2v-5B", "", [](Request& r) { r.split_step = 3; }),
              HasSubstr("--split-step needs a model with two experts"));
}

TEST(Recipes, WhatTheyDoNotHaveIsRefused) {
  const auto five_steps = [](Request& r) { r.steps = 5; };
  EXPECT_THAT(refusal("t2v-A14B", "rcm-4", [](Request& r) { r.shift = 5.0; }), HasSubstr("--shift: the recipe rcm-4"));
  EXPECT_THAT(refusal("t2v-A14B", "rcm-4", five_steps), HasSubstr("--steps 5: the recipe rcm-4 is stated for 1 to 4"));
  EXPECT_THAT(refusal("t2v-A14B", "lightx2v-4", five_steps), HasSubstr("is stated for 4 steps"));
  EXPECT_THAT(refusal("ti2v-5B", "fastwan-3", five_steps), HasSubstr("is stated for 3 steps"));
  EXPECT_EQ(plan_with("t2v-A14B", "rcm-4", [](Request& r) { r.steps = 2; }).schedule.steps(), 2);
}

TEST(Recipes, ThatDoNotFitAreRefusedWithWhatFits) {
  EXPECT_THAT(refusal("ti2v-5B", "lightning-4", kAsItIs),
              AllOf(HasSubstr("--recipe lightning-4 is for t2v-A14B, i2v-A14B"), HasSubstr("official or fastwan-3")));
  EXPECT_THAT(refusal("t2v-A14B", "fastwan-3", kAsItIs),
              AllOf(HasSubstr("is for ti2v-5B;"), HasSubstr("rcm-4 or 20-step-split")));
  EXPECT_THAT(refusal("t2v-A14B", "fast\x1b[2J", kAsItIs),
              AllOf(HasSubstr("there is no such recipe; there are official, lightning-4"), Not(HasSubstr("\x1b"))));
  EXPECT_THAT(refusal("ti2v-5B", "fastwan-3", [](Request& r) { r.image = WAN_FIXTURES "/mini-ti2v-i2v/input.png"; }),
              HasSubstr("--recipe fastwan-3 is for text to video alone: leave out --image"));
}

TEST(Recipes, OneBranchIsHalfTheWorkThatIsExpected) {
  const auto work = [](double guidance) {
    Request request = request_for(variant_named("t2v-A14B"));
    request.guidance_scale = guidance;
    const ModelSet models = open_models(request);
    return work_of(models, make_plan(request, models));
  };
  const VideoWork one = work(1), both = work(5);
  EXPECT_DOUBLE_EQ(both.step_products, 2 * one.step_products);
  EXPECT_DOUBLE_EQ(both.step_attention, 2 * one.step_attention);
  EXPECT_LT(one.text, both.text);
}

TEST(RecipeByName, IsWhatFilesOfDistilledModelsSpeakOf) {
  const Variant &pair = variant_named("t2v-A14B"), &single = variant_named("ti2v-5B");
  for (const char* name :
       {"wan2.2_t2v_A14b_high_noise_scaled_fp8_e4m3_lightx2v_4step.safetensors",
        "wan2.2_t2v_lightx2v_4steps_lora_v1.1_low_noise.safetensors", "Lightning-4-Steps.safetensors"})
    EXPECT_EQ(recipe_by_name(name, pair), "lightning-4") << name;
  EXPECT_EQ(recipe_by_name("a/8_step.gguf", pair), "lightning-8");
  EXPECT_EQ(recipe_by_name("FastWan2.2-TI2V-5B.safetensors", single), "fastwan-3");
  for (const char* name :
       {"wan2.2_t2v_high_noise_14B_fp8_scaled.safetensors", "trained_24steps.safetensors", "4step/x"})
    EXPECT_EQ(recipe_by_name(name, pair), "") << name;
  EXPECT_EQ(recipe_by_name("lightx2v_4step.safetensors", single), "") << "it is of other models";
}

}  // namespace
}  // namespace wan
