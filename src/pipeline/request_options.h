// The one list of a request's options: for each its flag, its key, what it may be, its help and where else it stands.
// The command line, suite files, the request of a child process, workloads, placeholders of external commands and the
// mp4's comment all walk it. The defaults are the members' own, in request.h; the words of enums in request_words.h.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "base/checked_number.h"
#include "base/flags.h"
#include "model/variant.h"
#include "pipeline/recipe_names.h"
#include "pipeline/request.h"
#include "pipeline/request_words.h"
#include "sampler/schedule.h"

namespace wan {

/// How an option is written on the command line.
enum class Form {
  kValue,     // the flag and the value
  kSize,      // --size WxH: this option and the next
  kGuidance,  // one number, or the older LOW,HIGH
  kOff,       // the flag alone, which sets "off", or true
};

/// Where an option stands beside the request.
enum class Also {
  kNowhere,
  kWork,          // it decides what is computed: in a record's workload, or the digest of the file it names
  kVideo,         // in the mp4's comment
  kWorkAndVideo,  // in both
  kConditioning,  // in a workload's list of what else a video is made from, by its key, and in the mp4's comment
  kDump,          // where intermediates go or come from; as the next, chosen by who runs, never by a suite
  kVideoFile,     // where the video goes
};

struct Option {
  std::string_view key;   // in suites, requests, placeholders, a record's workload and an mp4's comment
  std::string_view flag;  // empty: not on the command line, or set by another option's
  std::string_view value_name;
  std::string_view help;
  Also also = Also::kNowhere;
  Form form = Form::kValue;
  bool names_file = false;  // kConditioning: a file, which the mp4's comment has in words of its own

  constexpr bool in_workload() const { return also == Also::kWork || also == Also::kWorkAndVideo; }
  constexpr bool in_conditioning() const { return also == Also::kConditioning; }
  constexpr bool in_video() const {
    return also == Also::kVideo || also == Also::kWorkAndVideo || (also == Also::kConditioning && !names_file);
  }
  constexpr bool is_output() const { return also == Also::kDump || also == Also::kVideoFile; }
  /// What it is called in messages.
  constexpr std::string_view name() const { return flag.empty() ? key : flag; }
};

/// What an option may be: anything of its type or Bounds<T>, both wherever it is read.
struct Anything {};
/// Words that the command line takes, of a truth value those for false and true. A file may have any text: of a program
/// that is not ours the model's name is not ours either, and the engine refuses one that it does not know.
struct OneOf {
  std::vector<std::string> words;
};

inline constexpr Bounds<int64_t> kSidePixels{1, 16384};
inline constexpr Bounds<int64_t> kFrames{1, 1'000'000};
inline constexpr Bounds<int64_t> kClips{1, 1000};
inline constexpr Bounds<int64_t> kOutermost{0, 1000};  // of blocks and of steps
inline constexpr Bounds<int> kTimeoutSeconds{1, 86400};
inline constexpr Bounds<int> kSteps{1, kMaxSteps};
inline constexpr Bounds<int> kSplitStep{0, kMaxSteps};
inline constexpr Bounds<double> kShare{0, 1};
inline constexpr Bounds<double> kShift{0.01, 1000};        // the models use 3 to 12; beyond, steps fall together
inline constexpr Bounds<double> kLoraStrength{-100, 100};  // a negative one takes away
inline constexpr Bounds<double> kCacheThreshold{0, 100};   // a sum of errors of which 1 is a whole velocity
inline constexpr Bounds<int> kCacheSkips{1, kMaxSteps};
inline constexpr Bounds<double> kAnyNumber{};
inline constexpr Bounds<uint64_t> kAnySeed{};

namespace detail {

template <class Visitor, class R>
void options_of_weights(Visitor& visit, R& r) {
  visit(Option{"checkpoint", flags::kCheckpoint, "PATH",
               "folder of the weights in any layout (official, diffusers, ComfyUI, Hugging Face's cache), or one file; "
               "default: the small model that comes with the program"},
        r.checkpoint, Anything{});
  visit(Option{"dit", "--dit", "FILE", "DiT of a model with one, in place of the checkpoint's"}, r.dit, Anything{});
  visit(Option{"dit_high", "--dit-high", "FILE", "high-noise expert, likewise"}, r.dit_high, Anything{});
  visit(Option{"dit_low", "--dit-low", "FILE", "low-noise expert, likewise"}, r.dit_low, Anything{});
  visit(Option{"text_encoder", "--text-encoder", "FILE", "UMT5 text encoder, likewise"}, r.text_encoder, Anything{});
  visit(Option{"vae", "--vae", "FILE", "VAE, likewise"}, r.vae, Anything{});
  visit(Option{"tokenizer", "--tokenizer", "PATH",
               "tokenizer.json or spiece.model, or their folder; default: the checkpoint's, or that within the text "
               "encoder's file"},
        r.tokenizer, Anything{});
  visit(Option{"lora", flags::kLora, "FILE[=STRENGTH]",
               "LoRA that is added to the DiT, of a pair to each expert that it is for; may be given several times"},
        r.lora, Anything{});
  visit(Option{"lora_high", flags::kLoraHigh, "FILE[=STRENGTH]", "LoRA of the high-noise expert, likewise"},
        r.lora_high, Anything{});
  visit(Option{"lora_low", flags::kLoraLow, "FILE[=STRENGTH]", "LoRA of the low-noise expert, likewise"}, r.lora_low,
        Anything{});
  visit(Option{"random_weights", flags::kWeights, "", "checkpoint, or random: seeded values at the published sizes",
               Also::kVideo},
        r.random_weights, OneOf{{"checkpoint", flags::kRandomWeights}});
  visit(Option{"model", flags::kModel, "", "with --weights random: which model", Also::kVideo}, r.model,
        OneOf{model_names()});
  visit(Option{"stored_as", "--stored-as", "",
               "with --weights random: the form of the DiT's matrices, as files of that name have it; default: f32",
               Also::kVideo},
        r.stored_as, Anything{});
}

template <class Visitor, class R>
void options_of_video(Visitor& visit, R& r) {
  visit(Option{"prompt", "--prompt", "TEXT", "what the video shows", Also::kWorkAndVideo}, r.prompt, Anything{});
  visit(Option{"negative_prompt", "--negative-prompt", "TEXT", "what it must not show; default: the model's own",
               Also::kWorkAndVideo},
        r.negative_prompt, Anything{});
  visit(Option{"image", "--image", "FILE", "first frame, PNG or JPEG: image-to-video", Also::kWork}, r.image,
        Anything{});
  visit(Option{"last_image", "--last-image", "FILE",
               "last frame, likewise, of a video that begins with --image; of models of image to video alone",
               Also::kWork},
        r.last_image, Anything{});
  visit(Option{"audio", "--audio", "FILE",
               "WAV, FLAC, MP3 or AAC that the video speaks, of models that a sound drives; decides its length",
               Also::kConditioning, Form::kValue, true},
        r.audio, Anything{});
  visit(Option{"pose_video", "--pose-video", "FILE", "mp4, or folder of PNG files, whose pose such a video takes",
               Also::kConditioning, Form::kValue, true},
        r.pose_video, Anything{});
  visit(Option{"start_from_ref", "--start-from-ref", "",
               "such a video begins with --image itself, not only with whom it shows", Also::kConditioning, Form::kOff},
        r.start_from_ref, OneOf{{"false", "true"}});
  visit(Option{"num_clips", "--num-clips", "N", "clips of such a video at most; default: as many as the sound is long",
               Also::kConditioning},
        r.num_clips, kClips);
  visit(Option{"frames_per_clip", "--frames-per-clip", "N",
               "frames of a clip, of models that make such: a multiple of the VAE's stride (4), with --animate-inputs "
               "one more; default: the model's own",
               Also::kConditioning},
        r.frames_per_clip, kFrames);
  visit(Option{"animate_inputs", "--animate-inputs", "DIR",
               "folder that the official preprocess_data.py saved (src_pose.mp4, src_face.mp4, src_ref.png): the "
               "picture moves as in that video, of models that one moves",
               Also::kConditioning, Form::kValue, true},
        r.animate_inputs, Anything{});
  visit(Option{"replace", "--replace", "",
               "the picture's person takes the place of the video's (src_bg.mp4, src_mask.mp4)", Also::kConditioning,
               Form::kOff},
        r.replace, OneOf{{"false", "true"}});
  visit(Option{"context_frames", "--context-frames", "N",
               "frames of the clip before that such a clip goes on from, 1 or 5; default: 1", Also::kConditioning},
        r.context_frames, kFrames);
  visit(Option{"drop_silent_clip", "--drop-silent-clip", "",
               "leave out the clip behind the sound's end, which officially is made and heard by nobody",
               Also::kConditioning, Form::kOff},
        r.drop_silent_clip, OneOf{{"false", "true"}});
  visit(Option{"align_sound", "--align-sound", "",
               "let the sound in the mp4 begin where the first frame does, 3 frames later than officially",
               Also::kConditioning, Form::kOff},
        r.align_sound, OneOf{{"false", "true"}});
  visit(Option{"width", "--size", "WxH", "width x height in pixels; with --image, the area", Also::kWorkAndVideo,
               Form::kSize},
        r.width, kSidePixels);
  visit(Option{"height", "", "", "", Also::kWorkAndVideo}, r.height, kSidePixels);
  visit(Option{"num_frames", "--num-frames", "N", "frames, one more than a multiple of the VAE's stride (4)",
               Also::kWorkAndVideo},
        r.num_frames, kFrames);
}

template <class Visitor, class R>
void options_of_sampling(Visitor& visit, R& r) {
  visit(Option{"recipe", "--recipe", "", "way to sample, whose parts the next options change; default: official",
               Also::kWorkAndVideo},
        r.recipe, OneOf{recipe_names()});
  visit(Option{"steps", "--steps", "N", "denoising steps", Also::kWorkAndVideo}, r.steps, kSteps);
  visit(Option{"shift", "--shift", "F", "timestep shift", Also::kWorkAndVideo}, r.shift, kShift);
  visit(Option{"guidance_scale", "--guidance-scale", "F", "guidance of the high-noise expert, or of the only model",
               Also::kNowhere, Form::kGuidance},
        r.guidance_scale, kAnyNumber);
  visit(Option{"guidance_scale_2", "--guidance-scale-2", "F",
               "guidance of the low-noise expert; default: as --guidance-scale, where that is given"},
        r.guidance_scale_2, kAnyNumber);
  visit(Option{"guidance_low", "", "", "", Also::kWorkAndVideo}, r.guidance_low, kAnyNumber);
  visit(Option{"guidance_high", "", "", "", Also::kWorkAndVideo}, r.guidance_high, kAnyNumber);
  visit(Option{"boundary", "--boundary", "F", "share of the timesteps from which on the high-noise expert runs",
               Also::kWorkAndVideo},
        r.boundary, kShare);
  visit(Option{"split_step", "--split-step", "N", "instead of --boundary: first step of the low-noise expert",
               Also::kWorkAndVideo},
        r.split_step, kSplitStep);
  visit(Option{"solver", "--solver", "",
               "sampler; lcm adds fresh noise in each step; default: the recipe's, officially unipc",
               Also::kWorkAndVideo},
        r.solver, Anything{});
  visit(Option{"seed", "--seed", "N", "of the starting noise", Also::kWorkAndVideo}, r.seed, kAnySeed);
  visit(
      Option{"initial_latent", "--initial-latent", "FILE",
             "starting noise: safetensors with the key noise [C,T,H,W], or such a tensor alone as torch.save writes it",
             Also::kWork},
      r.initial_latent, Anything{});
}

template <class Visitor, class R>
void options_of_reuse(Visitor& visit, R& r) {
  visit(
      Option{"step_cache", flags::kStepCache, "",
             "reuse what earlier steps computed, which alters the video: magcache by a curve, ahead; easycache by what "
             "changes, meanwhile; default: off",
             Also::kVideo},
      r.step_cache, Anything{});
  visit(Option{"cache_threshold", flags::kCacheThreshold, "F",
               "error to which steps are reused; default: the curve's, of easycache 0.05", Also::kVideo},
        r.cache_threshold, kCacheThreshold);
  visit(Option{"cache_max_skips", flags::kCacheMaxSkips, "N",
               "steps that magcache reuses in a row, at most; default: the curve's", Also::kVideo},
        r.cache_max_skips, kCacheSkips);
  visit(
      Option{"cache_retention", flags::kCacheRetention, "F",
             "share of the steps of each expert that is computed at its beginning; default: the curve's, of easycache "
             "0.2",
             Also::kVideo},
      r.cache_retention, kShare);
  visit(Option{"cache_curve", flags::kCacheCurve, "FILE",
               "magcache's curve, of `wanbench calibrate-cache`; default: the one that comes with the program"},
        r.cache_curve, Anything{});
  visit(Option{"cfg_gate", flags::kCfgGate, "F",
               "share of the steps from which on guidance takes an earlier step's difference, so that the negative "
               "prompt's forwards are left out",
               Also::kVideo},
        r.cfg_gate, kShare);
}

template <class Visitor, class R>
void options_of_execution(Visitor& visit, R& r) {
  visit(Option{"device", flags::kDevice, "DEVICE", "cpu, cuda or cuda:N; default: cuda:0 if usable, else cpu"},
        r.device, Anything{});
  visit(Option{"gpus", flags::kGpus, "N|LIST",
               "ranks that share the video: how many, or the cards, as 0,2; with --device cpu ranks are threads, which "
               "share the cores. The frames are the same; default: one"},
        r.gpus, Anything{});
  visit(Option{"parallel", flags::kParallel, "auto|cfg=C,ulysses=U",
               "how they share it: guidance's branches, and the tokens of a branch; default: auto, branches first"},
        r.parallel, Anything{});
  visit(Option{"comm_timeout", flags::kCommTimeout, "S",
               "seconds in which no rank gets further until one that others wait for is given up; default: 10 of the "
               "expected steps, but 60 at least"},
        r.comm_timeout, kTimeoutSeconds);
  visit(Option{"precision", flags::kPrecision, "", "fp32, bf16 or 8bit; default: bf16 on cuda, fp32 on cpu",
               Also::kVideo},
        r.precision, Anything{});
  visit(Option{"dit_precision", flags::kDitPrecision, "",
               "of the products of the DiT's blocks: int8, 8bit (the fastest of the 8-bit forms), or as --precision, "
               "which is the default. The video drifts from that of bf16",
               Also::kVideo},
        r.dit_precision, Anything{});
  visit(
      Option{"quantize", flags::kQuantize, "LIST",
             "which products of an 8-bit DiT are: words of qkv,o,cross,ffn,scores,attention; default: qkv,o,cross,ffn. "
             "scores: of queries and keys; attention: these, and those of probabilities and values",
             Also::kVideo},
      r.quantize, Anything{});
  visit(Option{"whole_blocks", "--whole-blocks", "N",
               "first and last blocks of an 8-bit DiT that are not in 8 bits; default: 0", Also::kVideo},
        r.whole_blocks, kOutermost);
  visit(Option{"whole_steps", "--whole-steps", "N",
               "first and last steps of an 8-bit DiT that are not in 8 bits; default: 0", Also::kVideo},
        r.whole_steps, kOutermost);
  visit(Option{"vae_precision", "--vae-precision", "", "fp32 or bf16; default: as --precision", Also::kVideo},
        r.vae_precision, Anything{});
  visit(Option{"text_encoder_device", "--text-encoder-device", "DEVICE", "cpu, or as --device", Also::kWorkAndVideo},
        r.text_encoder_device, Anything{});
  visit(Option{"offload", "--offload", "",
               "where DiT weights live: none (on the device), packed (there, in the form of their file), stream "
               "(page-locked host memory, packed where that is smaller, or the mapped file where it does not suffice), "
               "packed-stream, mapped (the file), auto (the fastest that fits)",
               Also::kWork},
        r.offload, Anything{});
  visit(
      Option{"gpu_memory_limit", flags::kGpuMemoryLimit, "SIZE",
             "GPU memory that the process may take, the driver's context included: 12GiB, 16GB; a bare number is GiB; "
             "default: what the card has free"},
      r.gpu_memory_limit, Anything{});
  visit(Option{"overlap", "--no-overlap", "", "load everything before computing, to see what loading costs",
               Also::kNowhere, Form::kOff},
        r.overlap, Anything{});
  visit(Option{"vae_chunk", "--vae-chunk", "N", "latent frames decoded at a time; default: chosen by the memory plan"},
        r.vae_chunk, kFrames);
  visit(Option{"vae_slice", "--vae-slice", "N",
               "frames the decoder's last level takes at a time; default: chosen by the memory plan"},
        r.vae_slice, kFrames);
  visit(Option{"tuning_table", flags::kTuningTable, "FILE",
               "kernel choices made by `wanbench tune`; default: those that come with the program"},
        r.tuning_table, Anything{});
}

template <class Visitor, class R>
void options_of_output(Visitor& visit, R& r) {
  visit(Option{"output", flags::kOutput, "FILE.mp4", "video to write", Also::kVideoFile}, r.output, Anything{});
  visit(Option{"frames", "--frames", "DIR", "folder for the frames as PNG", Also::kVideoFile}, r.frames, Anything{});
  visit(Option{"no_metadata", "--no-metadata", "", "leave out of the video what it was made of", Also::kVideoFile,
               Form::kOff},
        r.no_metadata, OneOf{{"false", "true"}});
  visit(Option{"dump", "--dump", "FILE", "write intermediates as safetensors", Also::kDump}, r.dump, Anything{});
  visit(Option{"dump_level", "--dump-level", "",
               "latent: what the last step leaves, alone; stages; blocks: also the first step's DiT calls"},
        r.dump_level, Anything{});
  visit(
      Option{"replay", flags::kReplay, "FILE",
             "each step begins with the latent of this run's --dump, and says how far its velocity is from that run's",
             Also::kDump},
      r.replay, Anything{});
  visit(Option{"curve", "", "", "", Also::kDump}, r.curve, Anything{});
}

}  // namespace detail

/// Calls `visit(option, member, what it may be)` for each, in the order of the command line's help. A whole number that
/// is 0 by default may be 0 in a file: the model's own.
template <class Visitor, class R>
void request_options(Visitor&& visit, R& request) {
  detail::options_of_weights(visit, request);
  detail::options_of_video(visit, request);
  detail::options_of_sampling(visit, request);
  detail::options_of_reuse(visit, request);
  detail::options_of_execution(visit, request);
  detail::options_of_output(visit, request);
}

/// Makes relative paths those below `folder`, of lists (FILE or FILE=STRENGTH) each. Other members stay.
template <class T>
void place_in(const std::filesystem::path& folder, T& member) {
  if constexpr (std::is_same_v<T, std::filesystem::path>) {
    if (!member.empty() && member.is_relative()) member = folder / member;
  } else if constexpr (std::is_same_v<T, std::vector<std::string>>) {
    for (std::string& text : member)
      if (std::filesystem::path path = text; !path.empty() && path.is_relative()) text = (folder / path).string();
  }
}

/// Throws Error(kUsage) naming the flag when an option is not what it may be, guidance is given in both spellings, or
/// the split in both ways: for requests that no reader has checked.
void check_request(const Request& request);

}  // namespace wan
