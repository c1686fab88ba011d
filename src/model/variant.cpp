// The table. Sources: Wan-Video/Wan2.2 wan/configs/*.py and the published config.json files.
#include "model/variant.h"

#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "base/error.h"

namespace wan {
namespace {

constexpr std::array<VaeTraits, 2> kVaes{{
    {.version = VaeVersion::k21,
     .name = "VAE 2.1",
     .file_name = "Wan2.1_VAE.pth",
     .latent_channels = 16,
     .stride_temporal = 4,
     .stride_spatial = 8,
     .patch = 1},
    {.version = VaeVersion::k22,
     .name = "VAE 2.2",
     .file_name = "Wan2.2_VAE.pth",
     .latent_channels = 48,
     .stride_temporal = 4,
     .stride_spatial = 16,
     .patch = 2},
}};

constexpr std::string_view kNegativePrompt =
    "色调艳丽，过曝，静态，细节模糊不清，字幕，风格，作品，画作，画面，静止，整体发灰，最差质量，低质量，JPEG压缩残留，"
    "丑陋的，残缺的，"
    "多余的手指，画得不好的手部，画得不好的脸部，畸形的，毁容的，形态畸形的肢体，手指融合，静止不动的画面，杂乱的背景，"
    "三条腿，背景人很多，"
    "倒着走";

constexpr std::array kStages{StageRole::kInitialization, StageRole::kPreprocess,    StageRole::kTextEncoding,
                             StageRole::kVaeEncoding,    StageRole::kStepLoading,   StageRole::kStepInference,
                             StageRole::kVaeDecoding,    StageRole::kOutputEncoding};

constexpr std::array kSpeechStages{StageRole::kInitialization, StageRole::kPreprocess,  StageRole::kTextEncoding,
                                   StageRole::kAudioEncoding,  StageRole::kVaeEncoding, StageRole::kStepLoading,
                                   StageRole::kStepInference,  StageRole::kVaeDecoding, StageRole::kOutputEncoding};

constexpr std::array kAnimateStages{StageRole::kInitialization, StageRole::kPreprocess,    StageRole::kTextEncoding,
                                    StageRole::kImageEncoding,  StageRole::kFaceEncoding,  StageRole::kVaeEncoding,
                                    StageRole::kStepLoading,    StageRole::kStepInference, StageRole::kVaeDecoding,
                                    StageRole::kOutputEncoding};

constexpr std::array<ExpertSpec, 1> kOneModel{{{"", "", NoiseRange::kAll, 5.0}}};

constexpr std::string_view kHighNoise = "high_noise", kLowNoise = "low_noise";

constexpr std::array<ExpertSpec, 2> two_experts(double high_guidance, double low_guidance) {
  return {{{kHighNoise, "high_noise_model", NoiseRange::kHigh, high_guidance},
           {kLowNoise, "low_noise_model", NoiseRange::kLow, low_guidance}}};
}
constexpr std::array<ExpertSpec, 1> kSpeechModel{{{"", "", NoiseRange::kAll, 4.5}}};
constexpr std::array<ExpertSpec, 1> kAnimateModel{{{"", "", NoiseRange::kAll, 1.0}}};
constexpr auto kTextExperts = two_experts(4.0, 3.0);
constexpr auto kImageExperts = two_experts(3.5, 3.5);

constexpr DitConfig k5B{.dim = 3072,
                        .ffn_dim = 14336,
                        .in_dim = 48,
                        .out_dim = 48,
                        .text_dim = 4096,
                        .num_heads = 24,
                        .num_layers = 30,
                        .patch = {1, 2, 2}};

/// Of one expert.
constexpr DitConfig dit_14b(int64_t in_dim) {
  return {.dim = 5120,
          .ffn_dim = 13824,
          .in_dim = in_dim,
          .out_dim = 16,
          .text_dim = 4096,
          .num_heads = 40,
          .num_layers = 40,
          .patch = {1, 2, 2}};
}

constexpr DitConfig speech_dit() {
  DitConfig dit = dit_14b(16);
  dit.speech = {.audio_dim = 1024,
                .audio_layers = 25,
                .audio_tokens = 4,
                .injected = 12,
                .after_block = {0, 4, 8, 12, 16, 20, 24, 27, 30, 33, 36, 39}};
  return dit;
}

constexpr DitConfig animate_dit() {
  DitConfig dit = dit_14b(36);
  dit.animate = {.image_dim = 1280,
                 .motion_dim = 512,
                 .motion_codes = 20,
                 .levels = 7,
                 .level_widths = {32, 64, 128, 256, 512, 512, 512, 512},
                 .face_dim = 1024,
                 .face_tokens = 4,
                 .face_blocks = 8};
  return dit;
}

constexpr std::array<VideoSize, 2> k5BSizes{{{1280, 704, 161}, {1280, 704, 121}}};
constexpr std::array<VideoSize, 2> k14BSizes{{{832, 480, 81}, {1280, 720, 81}}};
constexpr std::array<VideoSize, 2> kSpeechSizes{{{832, 448, 77}, {1024, 704, 77}}};

constexpr std::array<VideoSize, 2> kAnimateSizes{{{832, 480, 77}, {1280, 720, 77}}};

constexpr std::string_view kSpeechNegativePrompt =
    "画面模糊，最差质量，画面模糊，细节模糊不清，情绪激动剧烈，手快速抖动，字幕，丑陋的，残缺的，多余的手指，"
    "画得不好的手部，画得不好的脸部，畸形的，毁容的，形态畸形的肢体，手指融合，静止不动的画面，杂乱的背景，三条腿，"
    "背景人很多，倒着走";

constexpr std::string_view kPlainClass = "WanModel";

constexpr std::array<Variant, 5> kVariants{{
    {.name = "ti2v-5B",
     .task = "ti2v",
     .class_name = kPlainClass,
     .abbreviation = "TI2V",
     .description = "text or image to video, one DiT",
     .repository = "Wan-AI/Wan2.2-TI2V-5B",
     .gigabytes = 34,
     .dit = k5B,
     .vae = VaeVersion::k22,
     .experts = kOneModel,
     .image = {Presence::kOptional, ImageFit::kCover, ImageLatent::kFirstFrame},
     .defaults = {.size = {1280, 704, 121},
                  .fps = 24,
                  .steps = 50,
                  .shift = 5.0,
                  .boundary = 0,
                  .negative_prompt = kNegativePrompt},
     .usual_sizes = k5BSizes,
     .stages = kStages},
    {.name = "t2v-A14B",
     .task = "t2v",
     .class_name = kPlainClass,
     .abbreviation = "T2V",
     .description = "text to video, two experts",
     .repository = "Wan-AI/Wan2.2-T2V-A14B",
     .gigabytes = 126,
     .dit = dit_14b(16),
     .vae = VaeVersion::k21,
     .experts = kTextExperts,
     .image = {},
     .defaults = {.size = {1280, 720, 81},
                  .fps = 16,
                  .steps = 40,
                  .shift = 12.0,
                  .boundary = 0.875,
                  .negative_prompt = kNegativePrompt},
     .usual_sizes = k14BSizes,
     .stages = kStages},
    {.name = "i2v-A14B",
     .task = "i2v",
     .class_name = kPlainClass,
     .abbreviation = "I2V",
     .description = "image to video, two experts",
     .repository = "Wan-AI/Wan2.2-I2V-A14B",
     .gigabytes = 126,
     .dit = dit_14b(36),
     .vae = VaeVersion::k21,
     .experts = kImageExperts,
     .image = {Presence::kRequired, ImageFit::kStretch, ImageLatent::kChannels},
     .defaults = {.size = {1280, 720, 81},
                  .fps = 16,
                  .steps = 40,
                  .shift = 5.0,
                  .boundary = 0.900,
                  .negative_prompt = kNegativePrompt},
     .usual_sizes = k14BSizes,
     .stages = kStages},
    {.name = "s2v-14B",
     .task = "s2v",
     .class_name = "WanModel_S2V",
     .abbreviation = "S2V",
     .description = "picture and voice to video, one DiT",
     .repository = "Wan-AI/Wan2.2-S2V-14B",
     .gigabytes = 46,
     .dit = speech_dit(),
     .vae = VaeVersion::k21,
     .experts = kSpeechModel,
     .image = {Presence::kRequired, ImageFit::kPad, ImageLatent::kTokens},
     .clips = {.frames = 80, .most_frames = 120, .first_dropped = 3, .draws_bf16 = true},
     .defaults = {.size = {1024, 704, 77},
                  .fps = 16,
                  .steps = 40,
                  .shift = 3.0,
                  .boundary = 0,
                  .negative_prompt = kSpeechNegativePrompt},
     .usual_sizes = kSpeechSizes,
     .stages = kSpeechStages},
    {.name = "animate-14B",
     .task = "animate",
     .class_name = "WanAnimateModel",
     .abbreviation = "Animate",
     .description = "picture that moves as in a video, one DiT",
     .repository = "Wan-AI/Wan2.2-Animate-14B",
     .gigabytes = 53,
     .dit = animate_dit(),
     .vae = VaeVersion::k21,
     .experts = kAnimateModel,
     .image = {},
     .clips = {.frames = 77, .most_frames = 1001, .first_dropped = 0, .context_frames = 1, .draws_on = true},
     .defaults = {.size = {1280, 720, 77},
                  .fps = 30,
                  .steps = 20,
                  .shift = 5.0,
                  .boundary = 0,
                  .negative_prompt = kNegativePrompt,
                  .prompt = "视频中的人在做动作"},
     .usual_sizes = kAnimateSizes,
     .stages = kAnimateStages},
}};

}  // namespace

const VaeTraits& traits_of(VaeVersion version) {
  return *std::find_if(kVaes.begin(), kVaes.end(), [&](const VaeTraits& vae) { return vae.version == version; });
}

int64_t Variant::side_step() const {
  constexpr int64_t kCoarsest = 4;  // motion's largest patches, in the model's own
  return vae_traits().stride_spatial * dit.patch.columns * (takes_audio() ? kCoarsest : 1);
}

int64_t Variant::clip_latents(int64_t frames) const {
  return takes_driving_video() ? vae_traits().latent_frames(frames) + 1 : frames / vae_traits().stride_temporal;
}

PatchGrid Variant::grid(const VideoSize& size) const {
  const VaeTraits& v = vae_traits();
  return dit.patch.grid(v.latent_frames(size.num_frames), size.height / v.stride_spatial,
                        size.width / v.stride_spatial);
}

std::span<const Variant> variants() { return kVariants; }

std::string_view expert_name(NoiseRange range) {
  switch (range) {
    case NoiseRange::kHigh: return kHighNoise;
    case NoiseRange::kLow: return kLowNoise;
    case NoiseRange::kAll: break;
  }
  return {};
}

const Variant& variant_named(std::string_view name) {
  for (const Variant& variant : kVariants)
    if (variant.name == name) return variant;
  throw Error(ErrorKind::kUsage, fmt::format("model '{}' is unknown: use {}", name, model_names_text()));
}

const Variant* find_task(std::string_view task) {
  for (const Variant& variant : kVariants)
    if (variant.task == task) return &variant;
  return nullptr;
}

std::vector<std::string> model_names() {
  std::vector<std::string> names;
  for (const Variant& variant : kVariants) names.emplace_back(variant.name);
  return names;
}

std::string model_names_text() {
  std::string text;
  for (size_t i = 0; i < kVariants.size(); ++i)
    text += fmt::format("{}{}", i == 0 ? "" : i + 1 == kVariants.size() ? " or " : ", ", kVariants[i].name);
  return text;
}

std::string model_name(const Variant& variant, const DitConfig& dit) {
  if (dit.dim == variant.dit.dim && dit.num_layers == variant.dit.num_layers) return std::string(variant.name);
  return fmt::format("{}-{}x{}", variant.task, dit.dim, dit.num_layers);
}

}  // namespace wan
