#include "pipeline/video_settings.h"

#include <cmath>

#include "base/build_info.h"
#include "pipeline/request_text.h"
#include "pipeline/request_words.h"

namespace wan {
namespace {

/// The request as the plan settled it.
Request settled(Request request, const Plan& plan) {
  request.negative_prompt = plan.negative_prompt;
  request.steps = plan.steps;
  request.shift = plan.shift;
  request.guidance_low = plan.guidance_low;
  request.guidance_high = plan.guidance_high;
  request.solver = plan.solver;
  request.seed = plan.seed;
  request.precision = precision_of(plan.compute);
  return request;
}

}  // namespace

VideoSettings video_settings(const Request& request, const Plan& plan) {
  VideoSettings settings;
  settings.width = static_cast<int>(plan.width);
  settings.height = static_cast<int>(plan.height);
  settings.fps_numerator = static_cast<int>(std::lround(plan.fps));
  settings.description = plan.prompt;
  settings.facts = texts_of_video(settled(request, plan));
  settings.facts["task"] = plan.task;
  settings.facts["generator"] = "wanbench " + build_info().version + " " + build_info().revision;
  return settings;
}

}  // namespace wan
