#include "pipeline/guidance.h"

#include "base/error.h"

namespace wan {
namespace {

bool is_by_scale(const Request& request) { return request.guidance_scale || request.guidance_scale_2; }

bool is_by_expert(const Request& request) { return request.guidance_low || request.guidance_high; }

}  // namespace

bool mixes_spellings(const Request& request) { return is_by_scale(request) && is_by_expert(request); }

Guidance choose_guidance(const Request& request, std::span<const ExpertSpec> experts, std::optional<double> of_recipe) {
  const double default_low = of_recipe.value_or(experts.back().guidance);
  const double default_high = of_recipe.value_or(experts.front().guidance);
  require(!mixes_spellings(request), kMixedSpellings, ErrorKind::kUsage);
  require(!request.guidance_scale_2 || experts.size() > 1, "--guidance-scale-2 needs a model with two experts",
          ErrorKind::kUsage);
  if (is_by_scale(request)) {
    const auto& scale = request.guidance_scale;
    return {.low = request.guidance_scale_2.value_or(scale.value_or(default_low)),
            .high = scale.value_or(default_high)};
  }
  const auto& low = request.guidance_low;
  return {.low = low.value_or(default_low), .high = request.guidance_high.value_or(low.value_or(default_high))};
}

Request by_expert(Request request) {
  if (!request.guidance_scale || is_by_expert(request)) return request;
  request.guidance_low = request.guidance_scale_2.value_or(*request.guidance_scale);
  if (request.guidance_scale_2) request.guidance_high = request.guidance_scale;
  request.guidance_scale.reset();
  request.guidance_scale_2.reset();
  return request;
}

Request in_both_spellings(Request request) {
  if (is_by_expert(request)) {
    request.guidance_scale = request.guidance_high ? request.guidance_high : request.guidance_low;
    if (request.guidance_high) request.guidance_scale_2 = request.guidance_low;
  } else {
    request.guidance_low = request.guidance_scale_2 ? request.guidance_scale_2 : request.guidance_scale;
    if (request.guidance_scale_2) request.guidance_high = request.guidance_scale;
  }
  return request;
}

}  // namespace wan
