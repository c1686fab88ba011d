#include "pipeline/video_info.h"

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

VideoInfo video_info(const Request& request, const Plan& plan) {
  VideoInfo video;
  video.width = plan.width;
  video.height = plan.height;
  video.num_frames = plan.num_frames;
  video.fps = plan.fps;
  video.prompt = plan.prompt;
  video.settings = texts_of_video(settled(request, plan));
  video.settings["task"] = plan.variant->task;
  video.settings["generator"] = "wanbench " + build_info().version + " " + build_info().revision;
  return video;
}

}  // namespace wan
