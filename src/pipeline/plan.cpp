#include "pipeline/plan.h"

#include <algorithm>
#include <set>

#include <fmt/format.h>

#include "backend/attention8_contract.h"
#include "backend/cuda_module.h"
#include "base/error.h"
#include "base/flags.h"
#include "base/threads.h"
#include "io/resize.h"
#include "model/dit_speech.h"
#include "pipeline/checkpoint_defaults.h"
#include "pipeline/clip_plan.h"
#include "pipeline/request_options.h"
#include "pipeline/request_words.h"
#include "pipeline/reuse.h"
#include "pipeline/sampling.h"
#include "sampler/guidance.h"

namespace wan {
namespace {

void require_usage(bool condition, const std::string& message) { require(condition, message, ErrorKind::kUsage); }

int64_t nearest_multiple(int64_t value, int64_t step) { return std::max(step, (value + step / 2) / step * step); }

Size output_size(ImageFit fit, Size image, int step, int64_t area) {
  switch (fit) {
    case ImageFit::kCover: return best_output_size(image, step, area);
    case ImageFit::kStretch: return near_output_size(image, step, area);
    case ImageFit::kPad: return shrunk_output_size(image, step, area);
  }
  throw Error("unknown fit");
}

/// Width and height of the video. An image decides the proportions, the requested size the area.
void choose_size(const Request& request, const ModelSet& models, const ModelDefaults& defaults, Plan& plan) {
  const int64_t step = models.variant->side_step();
  plan.width = request.width > 0 ? request.width : defaults.size.width;
  plan.height = request.height > 0 ? request.height : defaults.size.height;
  if (const DrivingPlan& driving = plan.clip.driving; driving.width > 0) {
    require_usage(request.width == 0, "--size: the driving video decides the size: leave it out");
    plan.width = driving.width;
    plan.height = driving.height;
  }
  plan.asked_width = plan.width;
  plan.asked_height = plan.height;
  plan.area = plan.width * plan.height;
  if (!request.image.empty()) {
    plan.image = read_image(request.image);
    const Size image{plan.image.width, plan.image.height};
    const auto multiple = static_cast<int>(step);
    const Size chosen = output_size(models.variant->image.fit, image, multiple, plan.area);
    plan.width = chosen.width;
    plan.height = chosen.height;
  }
  require_usage(
      plan.width % step == 0 && plan.height % step == 0 && plan.width > 0 && plan.height > 0,
      fmt::format("--size {}x{}: both sides must be multiples of {} for this model; the nearest is {}x{}", plan.width,
                  plan.height, step, nearest_multiple(plan.width, step), nearest_multiple(plan.height, step)));
}

/// A last frame stands beside a first one, in models that take one.
void check_last_image(const Request& request, const Variant& variant) {
  if (request.last_image.empty()) return;
  std::string models;
  for (const Variant& row : variants())
    if (row.takes_last_image()) models += (models.empty() ? "" : " or ") + std::string(row.name);
  require_usage(variant.takes_last_image(),
                fmt::format("--last-image: {} takes no last frame: leave it out, or name a checkpoint of {}",
                            variant.name, models));
  require_usage(!request.image.empty(),
                "--last-image is the last frame of a video that begins with an image: name the first one with --image");
}

/// int8 is the only 8-bit form there is so far, and so the fastest. `asked`: of --precision.
void choose_quantization(const Request& request, const DitConfig& dit_config, Precision asked, Plan& plan) {
  const Precision dit = request.dit_precision.value_or(asked);
  const bool is_8_bit = dit == Precision::kInt8 || dit == Precision::k8Bit;
  require_usage(is_8_bit || dit == precision_of(plan.compute),
                fmt::format("{} {}: expected int8, 8bit, or {} as the rest of this run (--precision)",
                            flags::kDitPrecision, enum_name(dit), enum_name(precision_of(plan.compute))));
  const bool says_what = !request.quantize.empty() || request.whole_blocks || request.whole_steps;
  require_usage(is_8_bit || !says_what,
                fmt::format("{}, --whole-blocks and --whole-steps say what of an 8-bit DiT is in 8 bits: add {} 8bit",
                            flags::kQuantize, flags::kDitPrecision));
  if (!is_8_bit) return;
  const bool has_heads = dit_config.head_dim() == kAttention8Dim;
  const bool has_type = plan.device == "cpu" || plan.compute == DType::kBF16;
  plan.quantization =
      dit_quantization(request.quantize.empty() ? kUsuallyQuantized : request.quantize, flags::kQuantize);
  require_usage(!plan.quantization.attends() || has_heads,
                fmt::format("{} {}: attention in 8 bits has heads of {}, this model's have {}: leave attention and "
                            "scores out",
                            flags::kQuantize, request.quantize, kAttention8Dim, dit_config.head_dim()));
  require_usage(!plan.quantization.attends() || has_type,
                fmt::format("{} {}: attention in 8 bits takes bf16 on a card: leave attention and scores out, or {} "
                            "bf16",
                            flags::kQuantize, request.quantize, flags::kPrecision));
  plan.quantization.whole_blocks = request.whole_blocks.value_or(0);
  plan.quantization.whole_steps = request.whole_steps.value_or(0);
}

void choose_devices(const Request& request, const DitConfig& dit, Plan& plan) {
  plan.device = request.device;
  if (plan.device.empty()) {
    const auto no_code = why_card_has_no_code();
    require_usage(!no_code, no_code.value_or("") + "; --device cpu computes on the processor");
    plan.device = why_cuda_is_unusable() ? "cpu" : "cuda:0";
  }
  const bool on_cpu = plan.device == "cpu";
  const Precision usual = on_cpu ? Precision::kF32 : Precision::kBF16;
  const Precision asked = request.precision.value_or(usual);
  require_usage(asked != Precision::kInt8,
                fmt::format("{} int8 is not offered: {} int8 computes the DiT's products in it, {} 8bit takes the "
                            "fastest of the 8-bit forms",
                            flags::kPrecision, flags::kDitPrecision, flags::kPrecision));
  const Precision precision = asked == Precision::k8Bit ? usual : asked;
  require_usage(!on_cpu || precision == Precision::kF32,
                "--precision bf16 is not offered on the CPU, whose results define what is right: use --precision fp32, "
                "or --device cuda");
  plan.compute = precision == Precision::kF32 ? DType::kF32 : DType::kBF16;
  choose_quantization(request, dit, asked, plan);
  const Precision vae = request.vae_precision.value_or(precision);
  require_usage(vae == Precision::kF32 || vae == Precision::kBF16,
                fmt::format("--vae-precision {}: fp32 and bf16 are offered", enum_name(vae)));
  plan.vae_compute = vae == Precision::kF32 ? DType::kF32 : DType::kBF16;
  require_usage(!on_cpu || plan.vae_compute == DType::kF32, "--vae-precision bf16 is not offered on the CPU: use fp32");
  plan.text_encoder_device = request.text_encoder_device.empty() ? plan.device : request.text_encoder_device;
  require_usage(plan.text_encoder_device == "cpu" || plan.text_encoder_device == plan.device,
                fmt::format("--text-encoder-device {}: use cpu or {}", plan.text_encoder_device, plan.device));
}

/// "BF16", "F8_E4M3+F32", "Q4_K+Q6_K": of weights with two axes and more, in the order of their names.
std::string element_types(std::span<const WeightFile> files) {
  std::set<std::string> types;
  for (const WeightFile& file : files)
    for (const StoredWeight& weight : file.weights())
      if (weight.shape.rank() > 1) types.emplace(weight.values->type_name());
  std::string text;
  for (const std::string& type : types) text += (text.empty() ? "" : "+") + type;
  return text;
}

std::map<std::string, std::string> stored_types(const ModelSet& models) {
  if (!models.checkpoint) {
    std::string dit = "random";
    if (models.stored_as != StoredAs::kF32) dit += fmt::format(", as {}", enum_name(models.stored_as));
    return {{"dit", dit}, {"text_encoder", "random"}, {"vae", "random"}};
  }
  const Checkpoint& files = *models.checkpoint;
  return {{"dit", element_types(files.dits)},
          {"text_encoder", element_types({&files.text_encoder, 1})},
          {"vae", element_types({&files.vae_file, 1})}};
}

/// What several ranks cannot share yet is refused here.
void choose_ranks(const Request& request, const ModelSet& models, Plan& plan) {
  const int ranks = asked_ranks(request);
  const auto refuse_if = [&](bool is_so, std::string_view why) {
    require_usage(!is_so, fmt::format("{} {}: {}", flags::kGpus, request.gpus, why));
  };
  if (ranks > 1 || request.gpus.find(',') != std::string::npos) {
    refuse_if(plan.device != "cpu",
              "one card a run so far: leave it out, or take --device cpu, whose ranks are threads");
    refuse_if(request.gpus.find(',') != std::string::npos, "a list is of cards, and the CPU has none: say how many");
    refuse_if(plan.clip.frames > 0, "a video that is made in clips is made by one rank");
    refuse_if(plan.quantization.any(), fmt::format("{} 8bit is of one rank", flags::kDitPrecision));
    refuse_if(plan.is_altered() || plan.takes_magnitudes,
              fmt::format("{} and {} are of one rank", flags::kStepCache, flags::kCfgGate));
    refuse_if(request.dump_level == DumpLevel::kBlocks && !request.dump.empty(),
              "--dump-level blocks is of one rank: no rank of several has all of them");
  }
  plan.parallel = choose_parallel(request, {plan.uses_negative_prompt(), models.dit.num_heads, plan.grid().tokens()});
}

}  // namespace

size_t Plan::expert_of(int step) const {
  const bool is_high =
      split_step ? step < *split_step
                 : choose_expert(schedule.timesteps[static_cast<size_t>(step)], boundary) == Expert::kHighNoise;
  const NoiseRange range = is_high ? NoiseRange::kHigh : NoiseRange::kLow;
  const std::span<const ExpertSpec> experts = variant->experts;
  const auto found = std::find_if(experts.begin(), experts.end(), [&](const ExpertSpec& expert) {
    return expert.range == NoiseRange::kAll || expert.range == range;
  });
  return static_cast<size_t>(found - experts.begin());
}

double Plan::guidance_of(int step) const {
  return variant->experts[expert_of(step)].range == NoiseRange::kHigh ? guidance_high : guidance_low;
}

bool Plan::is_guided(int step) const { return needs_guidance(guidance_of(step)); }

bool Plan::uses_negative_prompt() const {
  return std::any_of(forwards.begin(), forwards.end(),
                     [](const StepForwards& step) { return step.uncond != Forward::kNone; });
}

bool Plan::is_altered() const {
  return count_of(forwards, Forward::kReused) + count_of(forwards, Forward::kGated) +
             count_of(forwards, Forward::kOpen) >
         0;
}

int Plan::passes() const {
  int count = 0;
  for (size_t expert = 0; expert < variant->experts.size(); ++expert) count += passes_of(expert);
  return count;
}

int Plan::passes_of(size_t expert, const std::vector<StepForwards>& decided, int from_step) const {
  int count = 0;
  for (int step = from_step; step < steps; ++step)
    if (expert_of(step) == expert) {
      const std::span<const StepForwards> one(&decided[static_cast<size_t>(step)], 1);
      count += count_of(one, Forward::kComputed) + count_of(one, Forward::kOpen);
    }
  return count;
}

int Plan::vae_ranks() const {
  return static_cast<int>(std::min<int64_t>(parallel.ranks(), std::max<int64_t>(latent[3], 1)));
}

bool Plan::keeps_residuals() const {
  const bool by_curve = step_cache.method == StepCache::kMagCache;
  return takes_magnitudes || (by_curve && count_of(forwards, Forward::kReused) > 0);
}

int64_t Plan::frames_of(int64_t clip_number) const {
  const int64_t before =
      clip_number == 0 ? 0
                       : clip_number * (clip.frames - clip.context_frames) + clip.context_frames - clip.first_dropped;
  return std::min(clip.frames - dropped_of(clip_number), num_frames - before);
}

int64_t Plan::decoded_latents() const {
  if (clip.frames == 0) return latent[1];
  if (variant->takes_driving_video()) return latent[1] - 1;
  return latent[1] + (goes_on(clips - 1) ? kMotionLatents : 1);
}

int64_t Plan::encoded_frames() const {
  if (clip.frames == 0) return variant->first_frame_is_latent() ? 1 : num_frames;
  if (variant->takes_driving_video()) return clip.frames;
  return std::max(goes_on(clips - 1) ? kMotionFrames : 1, clip.has_pose ? clip.frames + 1 : 1);
}

int64_t Plan::added_tokens() const {
  return !variant->takes_audio() ? 0 : std::ssize(speech_positions(grid(), goes_on(clips - 1)));
}

std::optional<int64_t> Plan::low_noise_from_step() const {
  if (variant->experts.size() < 2) return std::nullopt;
  int step = 0;
  while (step < steps && variant->experts[expert_of(step)].range == NoiseRange::kHigh) ++step;
  return step;
}

void settle(Plan& plan, const Backend& backend, const Backend& text_backend, const MemoryPlan& memory) {
  const DeviceInfo& info = backend.info();
  plan.device_name = info.name;
  plan.device_count = 1;
  plan.kernel_table = info.kernel_table;
  plan.cpu_threads = text_backend.info().kind == "cpu" ? text_backend.info().cpu_threads : worker_threads();
  if (info.kind == "cpu") plan.cpu_threads *= plan.parallel.ranks();
  plan.memory = memory;
}

WeightSource ModelSet::dit_source(size_t expert) const {
  const WeightSource base = checkpoint ? WeightSource::from_file(checkpoint->dits[expert])
                                       : random_weights(dit_component(expert)).as(stored_as);
  return expert < loras.patches.size() ? base.with(loras.patches[expert]) : base;
}

WeightSource ModelSet::audio_source() const {
  return checkpoint ? WeightSource::from_file(*checkpoint->audio_encoder) : random_weights(Component::kAudioEncoder);
}

WeightSource ModelSet::image_source() const {
  return checkpoint ? WeightSource::from_file(*checkpoint->image_encoder) : random_weights(Component::kImageEncoder);
}

ModelSet open_models(const Request& request) {
  ModelSet models;
  if (request.random_weights) {
    require_usage(!request.model.empty(), "--weights random needs --model " + model_names_text());
    models.variant = &variant_named(request.model);
    models.stored_as = request.stored_as.value_or(StoredAs::kF32);
    models.dit = models.variant->dit;
    models.text = published_text_encoder_config();
    if (models.variant->takes_audio()) models.audio = published_audio_encoder_config();
    if (models.variant->takes_driving_video()) models.image = published_image_encoder_config();
    models.vae = {models.variant->vae, models.variant->vae_traits().latent_channels};
    models.loras = open_loras(request.weights().loras, *models.variant, models.dit);
    return models;
  }
  require_usage(!request.stored_as,
                "--stored-as is the form of random weights, and a checkpoint has its own: leave it out, or take "
                "--weights random");
  require_usage(request.names_weights(),
                "--checkpoint names the folder or the file of the weights\n" + official_checkpoints_help());
  const WeightChoice weights = request.weights();
  models.checkpoint = open_checkpoint(weights);
  models.variant = models.checkpoint->variant;
  models.dit = models.checkpoint->dit;
  models.text = models.checkpoint->text;
  models.vae = models.checkpoint->vae;
  models.audio = models.checkpoint->audio;
  models.image = models.checkpoint->image;
  models.defaults = read_checkpoint_defaults(models.checkpoint->files.folder);
  if (!request.model.empty()) {
    const Variant& expected = variant_named(request.model);
    require_usage(models.variant == &expected,
                  fmt::format("{} holds a model of type {}, but {} is asked for: name a checkpoint of type {}",
                              weights.title().string(), models.variant->task, request.model, expected.task));
  }
  models.loras = open_loras(weights.loras, *models.variant, models.dit);
  return models;
}

Plan make_plan(const Request& asked, const ModelSet& models, Images images) {
  check_request(asked);
  const Request request = with_defaults(asked, models.defaults);
  const Variant& variant = *models.variant;
  const ModelDefaults& defaults = variant.defaults;
  const VaeTraits& vae = models.vae.traits();
  Plan plan;
  plan.variant = &variant;
  plan.model = model_name(variant, models.dit);
  const bool needs_image = variant.image.presence == Presence::kRequired;
  plan.from_image = !request.image.empty() || (needs_image && images == Images::kAssumed);
  check_last_image(request, variant);
  require_usage(variant.image.presence != Presence::kNever || !plan.from_image,
                variant.takes_driving_video()
                    ? "--image: this checkpoint takes its picture from the folder of --animate-inputs"
                    : "--image: this checkpoint is text-to-video only");
  require_usage(!needs_image || plan.from_image,
                "this checkpoint is image-to-video: name the first frame with --image");
  plan.prompt = request.prompt.empty() ? defaults.prompt : request.prompt;
  plan.negative_prompt = request.negative_prompt.empty() ? defaults.negative_prompt : request.negative_prompt;
  plan.fps = defaults.fps;
  choose_clips(request, models, images == Images::kAssumed, plan);
  if (plan.clip.frames == 0) plan.num_frames = request.num_frames > 0 ? request.num_frames : defaults.size.num_frames;
  const int64_t latent_frames =
      plan.clip.frames > 0 ? variant.clip_latents(plan.clip.frames) : vae.latent_frames(plan.num_frames);
  require_usage(plan.clip.frames > 0 || vae.can_code(plan.num_frames),
                fmt::format("--num-frames {}: must be {}n+1; the nearest are {} and {}", request.num_frames,
                            vae.stride_temporal, vae.video_frames(latent_frames), vae.video_frames(latent_frames + 1)));
  require_usage(request.last_image.empty() || latent_frames > 1,
                fmt::format("--num-frames {}: the first and the last frame are then one: ask for {} frames or more, or "
                            "leave out --last-image",
                            plan.num_frames, vae.video_frames(2)));
  choose_size(request, models, defaults, plan);
  if (!request.last_image.empty()) plan.last_image = read_image(request.last_image);
  choose_sampling(request, plan);
  choose_reuse(request, plan);
  choose_devices(request, models.dit, plan);
  if (plan.clip.frames > 0) check_clip_settings(request, plan);
  require_usage(
      !request.gpu_memory_limit || plan.device != "cpu",
      fmt::format("{} {}: this request computes on the cpu, which takes no GPU memory: leave it out, or bound "
                  "the host's memory with {} of `wanbench run`",
                  flags::kGpuMemoryLimit, request.gpu_memory_limit.value_or(MemorySize{}).text(),
                  flags::kHostMemoryLimit));
  plan.gpu_memory_limit = request.gpu_memory_limit;
  plan.overlap = request.overlap;
  plan.loras = models.loras.uses;
  plan.stored = stored_types(models);
  plan.latent = {models.vae.latent_channels, latent_frames, plan.height / vae.stride_spatial,
                 plan.width / vae.stride_spatial};
  choose_ranks(request, models, plan);
  return plan;
}

}  // namespace wan
