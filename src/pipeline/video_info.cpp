#include "pipeline/video_info.h"

#include "base/build_info.h"
#include "base/machine.h"
#include "io/video_writer.h"
#include "pipeline/request_text.h"
#include "pipeline/request_words.h"

namespace wan {

Request video_request(const Request& request, const Plan& plan) {
  Request settled;
  settled.random_weights = request.random_weights;
  if (request.random_weights) settled.model = request.model;
  settled.stored_as = request.stored_as;
  settled.prompt = plan.prompt;
  settled.negative_prompt = plan.negative_prompt;
  if (plan.clip.driving.width == 0) {
    settled.width = plan.asked_width;
    settled.height = plan.asked_height;
  }
  if (plan.clip.frames == 0) settled.num_frames = plan.num_frames;
  settled.start_from_ref = request.start_from_ref;
  if (plan.variant->takes_audio()) settled.num_clips = plan.clips;
  settled.replace = plan.clip.replaces;
  settled.context_frames = plan.clip.context_frames;
  settled.frames_per_clip = plan.clip.frames;
  settled.drop_silent_clip = request.drop_silent_clip;
  settled.align_sound = request.align_sound;
  settled.recipe = plan.recipe->name;
  settled.steps = plan.steps;
  settled.shift = plan.shift;
  settled.guidance_low = plan.guidance_low;
  settled.guidance_high = plan.guidance_high;
  settled.split_step = plan.split_step;
  if (plan.variant->experts.size() > 1 && !plan.split_step) settled.boundary = plan.boundary;
  settled.solver = plan.solver;
  settled.seed = plan.seed;
  const StepCachePlan& cache = plan.step_cache;
  if (cache.method != StepCache::kOff) {
    settled.step_cache = cache.method;
    settled.cache_threshold = cache.settings.threshold;
    settled.cache_retention = cache.settings.retention;
    if (cache.method == StepCache::kMagCache) settled.cache_max_skips = cache.settings.max_skips;
  }
  settled.cfg_gate = request.cfg_gate;
  settled.precision = precision_of(plan.compute);
  settled.vae_precision = precision_of(plan.vae_compute);
  if (plan.quantization.any()) {
    settled.dit_precision = Precision::kInt8;
    settled.quantize = words_of(plan.quantization);
    settled.whole_blocks = plan.quantization.whole_blocks;
    settled.whole_steps = plan.quantization.whole_steps;
  }
  if (plan.text_encoder_device != plan.device) settled.text_encoder_device = plan.text_encoder_device;
  return settled;
}

const char* video_preset(std::string_view device, int cores) {
  constexpr int kManyCores = 8;
  if (device == "cpu") return kBestPreset;
  return cores < kManyCores ? "superfast" : "veryfast";
}

VideoInfo video_info(const Request& request, const Plan& plan) {
  VideoInfo video;
  video.preset = video_preset(plan.device, allowed_cores());
  video.width = plan.width;
  video.height = plan.height;
  video.num_frames = plan.num_frames;
  video.fps = plan.fps;
  video.prompt = plan.prompt;
  video.sound = request.audio;
  if (request.align_sound) video.sound_from_s = static_cast<double>(plan.clip.first_dropped) / plan.fps;
  video.settings = texts_of_video(video_request(request, plan));
  video.settings["task"] = plan.variant->task;
  video.settings["generator"] = "wanbench " + build_info().version + " " + build_info().revision;
  return video;
}

}  // namespace wan
