#include "pipeline/sampling.h"

#include <fmt/format.h>

#include "base/error.h"
#include "pipeline/guidance.h"

namespace wan {
namespace {

void require_usage(bool condition, const std::string& message) { require(condition, message, ErrorKind::kUsage); }

void choose_steps(const Request& request, const Recipe& recipe, Plan& plan) {
  const int own = recipe.steps > 0 ? recipe.steps : plan.variant->defaults.steps;
  plan.steps = request.steps > 0 ? request.steps : own;
  const std::string possible = recipe.least_steps == recipe.most_steps
                                   ? fmt::format("{}", recipe.most_steps)
                                   : fmt::format("{} to {}", recipe.least_steps, recipe.most_steps);
  require_usage(plan.steps >= recipe.least_steps && plan.steps <= recipe.most_steps,
                fmt::format("--steps {}: the recipe {} is stated for {} steps", plan.steps, recipe.name, possible));
  require_usage(!request.shift || recipe.has_shift(),
                fmt::format("--shift: the recipe {} has none; leave it out", recipe.name));
  if (recipe.has_shift()) plan.shift = request.shift.value_or(recipe.shift.value_or(plan.variant->defaults.shift));
}

/// By step where a step is given or the recipe has one and no boundary is given.
void choose_split(const Request& request, const Recipe& recipe, Plan& plan) {
  const bool has_experts = plan.variant->experts.size() > 1;
  require_usage(!request.boundary || has_experts, "--boundary needs a model with two experts");
  require_usage(!request.split_step || has_experts, "--split-step needs a model with two experts");
  plan.boundary = request.boundary.value_or(plan.variant->defaults.boundary);
  if (!has_experts || request.boundary) return;
  plan.split_step = request.split_step ? request.split_step : recipe.split_step;
  require_usage(!plan.split_step || *plan.split_step <= plan.steps,
                fmt::format("--split-step {}: there are {} steps; name the first of the low-noise expert, from 0 to {}",
                            plan.split_step.value_or(0), plan.steps, plan.steps));
}

}  // namespace

void choose_sampling(const Request& request, Plan& plan) {
  const Recipe& recipe = recipe_for(request.recipe, *plan.variant, plan.from_image);
  plan.recipe = &recipe;
  choose_steps(request, recipe, plan);
  const Guidance guidance = choose_guidance(request, plan.variant->experts, recipe.guidance);
  plan.guidance_low = guidance.low;
  plan.guidance_high = guidance.high;
  choose_split(request, recipe, plan);
  plan.solver = request.solver.value_or(recipe.solver);
  plan.schedule = recipe.make_schedule(plan.solver, plan.steps, plan.shift.value_or(0));
  plan.seed = request.seed;
}

}  // namespace wan
