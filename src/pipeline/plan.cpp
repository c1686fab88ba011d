#include "pipeline/plan.h"

#include <algorithm>

#include <fmt/format.h>

#include "base/error.h"
#include "io/resize.h"
#include "pipeline/guidance.h"
#include "pipeline/request_options.h"
#include "sampler/guidance.h"

namespace wan {
namespace {

void require_usage(bool condition, const std::string& message) { require(condition, message, ErrorKind::kUsage); }

/// Width and height of the video. An image decides the proportions, the requested size the area.
void choose_size(const Request& request, const ModelSet& models, const ModelDefaults& defaults, Plan& plan) {
  const int64_t step = models.vae.stride_spatial() * 2;
  plan.width = request.width > 0 ? request.width : defaults.width;
  plan.height = request.height > 0 ? request.height : defaults.height;
  plan.area = plan.width * plan.height;
  if (plan.from_image) {
    plan.image = read_image(request.image);
    const Size image{plan.image.width, plan.image.height};
    const Size chosen = models.dit.model_type == "ti2v" ? best_output_size(image, static_cast<int>(step), plan.area)
                                                        : i2v_output_size(image, plan.area);
    plan.width = chosen.width;
    plan.height = chosen.height;
  }
  require_usage(plan.width % step == 0 && plan.height % step == 0 && plan.width > 0 && plan.height > 0,
                fmt::format("--size {}x{}: both sides must be multiples of {} for this model; the nearest is {}x{}",
                            plan.width, plan.height, step, std::max(step, (plan.width + step / 2) / step * step),
                            std::max(step, (plan.height + step / 2) / step * step)));
}

void choose_sampling(const Request& request, const ModelSet& models, const ModelDefaults& defaults, Plan& plan) {
  plan.steps = request.steps > 0 ? request.steps : defaults.steps;
  plan.shift = request.shift.value_or(defaults.shift);
  const Guidance guidance = choose_guidance(request, defaults, models.two_experts ? 2 : 1);
  plan.guidance_low = guidance.low;
  plan.guidance_high = guidance.high;
  plan.boundary = models.two_experts ? request.boundary.value_or(defaults.boundary) : 0;
  require_usage(!request.boundary || models.two_experts, "--boundary needs a model with two experts");
  plan.solver = request.solver;
  plan.schedule = make_schedule(solver_kind(request.solver), plan.steps, plan.shift);
  plan.seed = request.seed;
}

void choose_devices(const Request& request, Plan& plan) {
  plan.device = request.device;
  if (plan.device.empty()) plan.device = why_cuda_is_unusable() ? "cpu" : "cuda:0";
  const bool on_cpu = plan.device == "cpu";
  const Precision precision = request.precision.value_or(on_cpu ? Precision::kF32 : Precision::kBF16);
  require_usage(!on_cpu || precision == Precision::kF32,
                "--precision bf16 is not offered on the CPU, whose results define what is right: use --precision fp32, "
                "or --device cuda");
  plan.compute = precision == Precision::kF32 ? DType::kF32 : DType::kBF16;
  plan.vae_compute = request.vae_precision.value_or(precision) == Precision::kF32 ? DType::kF32 : DType::kBF16;
  require_usage(!on_cpu || plan.vae_compute == DType::kF32, "--vae-precision bf16 is not offered on the CPU: use fp32");
  plan.text_encoder_device = request.text_encoder_device.empty() ? plan.device : request.text_encoder_device;
  require_usage(plan.text_encoder_device == "cpu" || plan.text_encoder_device == plan.device,
                fmt::format("--text-encoder-device {}: use cpu or {}", plan.text_encoder_device, plan.device));
}

}  // namespace

SolverKind solver_kind(Solver solver) {
  switch (solver) {
    case Solver::kUniPC: return SolverKind::kUniPC;
    case Solver::kDpmPlusPlus: return SolverKind::kDpmPlusPlus;
    case Solver::kEuler: return SolverKind::kEuler;
  }
  return SolverKind::kUniPC;
}

int Plan::expert_of(int step) const {
  if (boundary == 0) return 0;
  return choose_expert(schedule.timesteps[static_cast<size_t>(step)], boundary) == Expert::kHighNoise ? 0 : 1;
}

double Plan::guidance_of(int step) const {
  return boundary != 0 && expert_of(step) == 0 ? guidance_high : guidance_low;
}

ModelSet open_models(const Request& request) {
  ModelSet models;
  if (request.random_weights) {
    require_usage(!request.model.empty(), "--weights random needs --model ti2v-5B, t2v-A14B or i2v-A14B");
    models.dit = published_dit_config(request.model);
    models.text = published_text_encoder_config();
    models.vae.version = models.dit.model_type == "ti2v" ? VaeVersion::k22 : VaeVersion::k21;
    models.vae.latent_channels = models.dit.out_dim;
    models.two_experts = models.dit.model_type != "ti2v";
    return models;
  }
  require_usage(!request.checkpoint.empty(),
                "--checkpoint names the folder of the weights\n" + official_checkpoints_help());
  models.checkpoint = open_checkpoint(request.checkpoint);
  models.dit = models.checkpoint->dit;
  models.text = models.checkpoint->text;
  models.vae = models.checkpoint->vae;
  models.two_experts = models.checkpoint->two_experts();
  if (!request.model.empty()) {
    const std::string expected = published_dit_config(request.model).model_type;
    require_usage(models.dit.model_type == expected,
                  fmt::format("{} holds a model of type {}, but {} is asked for: name a checkpoint of type {}",
                              request.checkpoint.string(), models.dit.model_type, request.model, expected));
  }
  return models;
}

Plan make_plan(const Request& request, const ModelSet& models) {
  check_request(request);
  const ModelDefaults defaults = model_defaults(models.dit.model_type);
  Plan plan;
  plan.task = models.dit.model_type;
  plan.from_image = !request.image.empty();
  require_usage(plan.task != "t2v" || !plan.from_image, "--image: this checkpoint is text-to-video only");
  require_usage(plan.task != "i2v" || plan.from_image,
                "this checkpoint is image-to-video: name the first frame with --image");
  plan.prompt = request.prompt;
  plan.negative_prompt = request.negative_prompt.empty() ? defaults.negative_prompt : request.negative_prompt;
  plan.fps = defaults.fps;
  plan.num_frames = request.num_frames > 0 ? request.num_frames : defaults.num_frames;
  require_usage(plan.num_frames % 4 == 1,
                fmt::format("--num-frames {}: must be 4n+1; the nearest are {} and {}", request.num_frames,
                            std::max<int64_t>(1, (plan.num_frames - 1) / 4 * 4 + 1),
                            std::max<int64_t>(0, (plan.num_frames - 1) / 4) * 4 + 5));
  choose_size(request, models, defaults, plan);
  choose_sampling(request, models, defaults, plan);
  choose_devices(request, plan);
  const int64_t stride = models.vae.stride_spatial();
  plan.latent = {models.vae.latent_channels, (plan.num_frames - 1) / models.vae.stride_temporal() + 1,
                 plan.height / stride, plan.width / stride};
  return plan;
}

}  // namespace wan
