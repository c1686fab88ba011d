// What a user asks the engine for. Every field has one default in one place: 0, empty or nullopt means the model's own.
// How each is written on the command line and in files is in request_options.h.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <tuple>
#include <vector>

#include "base/memory_size.h"
#include "base/solver.h"
#include "base/step_cache.h"
#include "base/stored_as.h"
#include "base/weight_choice.h"
#include "pipeline/forwards.h"

namespace wan {

/// kInt8: the products of the DiT's blocks in 8-bit integers, the rest as otherwise. k8Bit: the fastest of the 8-bit
/// forms.
enum class Precision { kF32, kBF16, kInt8, k8Bit };
enum class Offload { kAuto, kNone, kPacked, kStream, kPackedStream, kMapped };
enum class DumpLevel { kLatent, kStages, kBlocks };
enum class Overlap { kOn, kOff };  // off: loading finishes before anything computes, so that its own time is seen

struct Request {
  // what to make
  std::string prompt;
  std::string negative_prompt;  // empty: the model's default, as official
  std::filesystem::path image;  // image-to-video when set
  /// The last frame, beside `image`, of models that take one.
  std::filesystem::path last_image;
  // Of models that a sound drives.
  std::filesystem::path audio;
  std::filesystem::path pose_video;  // whose frames' pose the video takes; empty: none
  bool start_from_ref = false;       // the first clip goes on from the image
  int64_t num_clips = 0;             // at most; 0: as long as the sound
  int64_t frames_per_clip = 0;       // of these and of the next; 0: the model's own
  // Of models that a driving video moves.
  std::filesystem::path animate_inputs;  // folder of its preprocessed files
  bool replace = false;                  // its person is replaced, in its own background
  int64_t context_frames = 0;            // that a clip goes on from; 0: the model's own
  // What the official program does otherwise.
  bool drop_silent_clip = false;  // no clip behind the sound's end
  bool align_sound = false;       // the sound loses what the first clip's frames do
  int64_t width = 0, height = 0;  // 0: the model's default; area only for image-to-video
  int64_t num_frames = 0;         // one and whole strides of the VAE
  std::string recipe;             // of recipe_names(); empty: the checkpoint's own, else the official one
  int steps = 0;
  std::optional<double> shift;
  std::optional<double> guidance_scale;    // high-noise expert, or the only model
  std::optional<double> guidance_scale_2;  // low-noise expert; nullopt: as guidance_scale
  // The older spelling of these two, which does not go together with them: see guidance.h.
  std::optional<double> guidance_low;   // low-noise expert, or the only model
  std::optional<double> guidance_high;  // high-noise expert; nullopt: as guidance_low
  std::optional<double>
      boundary;  // two-expert models: share of 1000 timesteps at and above which the high-noise expert runs
  std::optional<int> split_step;  // instead of it: first step of the low-noise expert
  std::optional<Solver> solver;   // nullopt: the recipe's
  uint64_t seed = 42;
  std::filesystem::path initial_latent;  // `noise` [C, T, H, W], or a .pt of one tensor

  // what of it is reused instead of computed: never by default
  std::optional<StepCache> step_cache;    // nullopt: off
  std::optional<double> cache_threshold;  // nullopt, as of the next two: the curve's, or what is published
  std::optional<int> cache_max_skips;
  std::optional<double> cache_retention;
  std::filesystem::path cache_curve;  // of `wanbench calibrate-cache`; empty: the one that comes with the program
  /// Share of the steps from which on guidance takes an earlier step's difference; nullopt: none does.
  std::optional<double> cfg_gate;

  // with what
  std::filesystem::path checkpoint;  // a folder in any layout, or one file
  // Files in place of parts of it, or by themselves: see model/checkpoint_files.h.
  std::filesystem::path dit;                // of a model with one DiT
  std::filesystem::path dit_high, dit_low;  // experts
  std::filesystem::path text_encoder, vae, tokenizer;
  // LoRAs, as FILE or FILE=STRENGTH (lora_choice), in the order in which they are added; behind `lora` those of an
  // expert.
  std::vector<std::string> lora, lora_high, lora_low;
  std::string model;  // of model_names(): the sizes of random_weights, or what the checkpoint must hold
  bool random_weights = false;
  std::optional<StoredAs> stored_as;  // of random weights: the form of the DiT's matrices

  // how
  std::string device;  // empty: cuda:0 if usable, else cpu
  /// Ranks that share the video: how many, or the cards, as 0,2; empty: one.
  std::string gpus;
  std::string parallel;  // how they share it: auto, or cfg=C,ulysses=U; empty: auto
  /// Seconds in which no rank gets further until one that others wait for is given up; 0: 10 of the expected steps, but
  /// a minute at least.
  int comm_timeout = 0;
  std::optional<Precision> precision;      // bf16 on cuda, fp32 on cpu
  std::optional<Precision> dit_precision;  // as precision
  std::string quantize;                    // of an 8-bit DiT: dit_quantization's words; empty: all
  std::optional<int64_t> whole_blocks;     // of an 8-bit DiT: first and last blocks that are not; 0
  std::optional<int64_t> whole_steps;      // of an 8-bit DiT: first and last steps that are not; 0
  std::optional<Precision> vae_precision;  // as precision
  std::string text_encoder_device;         // empty: as device
  Offload offload = Offload::kAuto;
  /// What the driver may attribute to the process on the card, context included.
  std::optional<MemorySize> gpu_memory_limit;
  std::filesystem::path tuning_table;  // of `wanbench tune`; empty: the one that comes with the program
  int64_t vae_chunk = 0;               // latent frames decoded at a time; 0: chosen by the memory plan
  int64_t vae_slice = 0;               // frames the decoder's last level takes at a time; 0: chosen by the memory plan
  Overlap overlap = Overlap::kOn;

  // what to leave behind
  std::filesystem::path output;  // .mp4; empty: none
  std::filesystem::path frames;  // folder for PNG frames; empty: none
  bool no_metadata = false;      // of the video: neither its prompt nor how it was made
  std::filesystem::path dump;    // safetensors of intermediates; empty: none
  DumpLevel dump_level = DumpLevel::kStages;
  std::filesystem::path replay;  // dump of a reference run, whose latents each step begins with; empty: none
  std::filesystem::path curve;   // where the magnitude ratios of this run go, as a cache_curve; empty: none are taken

  bool operator==(const Request&) const = default;

  /// Throws Error(kUsage) as lora_choice does, and for more than 100 LoRAs.
  WeightChoice weights() const;
  /// Of the model and its parts; LoRAs stay.
  void set_weights(WeightChoice choice) {
    std::tie(checkpoint, dit, dit_high, dit_low, text_encoder, vae, tokenizer) =
        std::tie(choice.checkpoint, choice.dit, choice.dit_high, choice.dit_low, choice.text_encoder, choice.vae,
                 choice.tokenizer);
  }
  /// Whether a checkpoint or a part of one is named.
  bool names_weights() const {
    return !(checkpoint.empty() && dit.empty() && dit_high.empty() && dit_low.empty() && text_encoder.empty() &&
             vae.empty() && tokenizer.empty());
  }
};

/// FILE or FILE=STRENGTH, a number of kLoraStrength. Behind the last '=' stands a strength, unless there is a file of
/// the whole name. Throws Error(kUsage) that names `flag`.
LoraChoice lora_choice(std::string_view text, std::string_view flag, std::string_view expert = {});

/// A step that began with a reference run's latent: its guided velocity against the reference's.
struct ReplayedStep {
  int step = 0;
  double relative_l2 = 0, cosine = 1;
};

/// What came out, beside the files.
struct Outcome {
  std::string task;  // of the model's row: model/variant.h
  int64_t width = 0, height = 0, num_frames = 0;
  double fps = 0;
  int steps = 0;
  std::string video_sha256;  // of the RGB frames, in order; where steps were replayed, of what the last one leaves
  std::vector<ReplayedStep> replayed;
  Forwards forwards;
};

}  // namespace wan
