// From a request to everything the run will use: sizes, settings, and where weights will live. All refusals happen
// here.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "backend/backend.h"
#include "base/stage.h"
#include "io/image.h"
#include "model/checkpoint.h"
#include "model/dit_quantization.h"
#include "pipeline/layer_store.h"
#include "pipeline/loras.h"
#include "pipeline/parallel.h"
#include "pipeline/recipe.h"
#include "pipeline/request.h"
#include "sampler/forward_schedule.h"
#include "sampler/schedule.h"
#include "tensor/tensor.h"

namespace wan {

/// The models a run needs, described: from a checkpoint or, with random weights, from the published sizes.
struct ModelSet {
  std::optional<Checkpoint> checkpoint;  // empty: random weights
  const Variant* variant = nullptr;
  DitConfig dit;
  TextEncoderConfig text;
  VaeConfig vae;
  AudioEncoderConfig audio;  // of a model that takes audio
  ImageEncoderConfig image;  // of a model that attends to a picture
  Request defaults;          // of the checkpoint's own: checkpoint_defaults.h
  LoraSet loras;
  StoredAs stored_as = StoredAs::kF32;  // of random weights

  size_t expert_count() const { return variant->experts.size(); }
  /// An expert's weights, with what LoRAs change of them. Refers to this.
  WeightSource dit_source(size_t expert) const;
  WeightSource audio_source() const;
  WeightSource image_source() const;
  const WeightFile* vae_file() const { return checkpoint ? &checkpoint->vae_file : nullptr; }
};

/// Opens and checks the checkpoint, or takes the published sizes, and the LoRAs. Reads headers only.
ModelSet open_models(const Request& request);

/// Device memory that a plan may fill, and what bounds it.
struct DeviceRoom {
  uint64_t bytes = UINT64_MAX;        // as many as nobody asked for: not bounded
  std::optional<MemorySize> limit{};  // --gpu-memory-limit, where that is the less; else what is free bounds it

  bool is_bounded() const { return bytes < UINT64_MAX / 2; }
  std::string text() const;  // "the 12.00 GiB of --gpu-memory-limit", "the 78.20 GiB that the card has free"
};

/// What one stage holds on the device, in bytes, by what it is for. On a card in the driver's pieces.
struct StageMemory {
  StageRole role = StageRole::kOther;  // kTextEncoding, kAudioEncoding, kVaeEncoding, kStepInference or kVaeDecoding
  uint64_t dit_weights = 0, text_encoder_weights = 0, audio_encoder_weights = 0, vae_weights = 0;
  uint64_t merging = 0;      // LoRAs while layers are loaded
  uint64_t activations = 0;  // of a forward pass
  uint64_t tensors = 0;      // latents, embedded text, tables, histories, frames
  uint64_t libraries = 0;    // the context, kernels, workspaces; on a CPU the program itself

  uint64_t own() const {
    return dit_weights + text_encoder_weights + audio_encoder_weights + vae_weights + merging + activations + tensors;
  }
  uint64_t total() const { return own() + libraries; }
};

/// What the run will hold on the device, computed before anything is allocated.
struct MemoryPlan {
  Residency dit_residency = Residency::kResident;
  int64_t vae_chunk = 1;             // latent frames decoded at a time
  int64_t vae_slice = 0;             // frames the decoder's last level takes at a time; 0: all of a chunk
  bool vae_passes_histories = true;  // false: the decoder copies them, which is slower and needs less
  uint64_t dit_arena = 0, vae_arena = 0;
  std::vector<StageMemory> stages;                            // in their order
  uint64_t peak_text = 0, peak_denoise = 0, peak_decode = 0;  // bytes of our own allocations in each phase
  uint64_t predicted_peak = 0;                                // of all stages, with the context and libraries
  uint64_t pinned = 0;       // page-locked host memory of streamed weights, all experts together
  uint64_t host_free = 0;    // available on the host when that was decided
  DeviceRoom room;           // what the device had for it then
  std::string text() const;  // one line for people and records
};

/// How steps are reused, with what the request left open filled in.
struct StepCachePlan {
  StepCache method = StepCache::kOff;
  ReuseSettings settings;    // max_skips is kMagCache's alone
  std::string curve_sha256;  // kMagCache's
  size_t curve_steps = 0;    // that it was made for
  std::string curve_remark;  // what else it was made for than this video; empty: nothing
};

/// What the files of a driving video hold.
struct DrivingPlan {
  int64_t width = 0, height = 0;  // of the pose's, and so of the video's
  int64_t pose_frames = 0, face_frames = 0;
  int64_t background_frames = 0, mask_frames = 0;  // where the video's person is replaced
};

/// What each clip of a video is made from and gives.
struct ClipPlan {
  int64_t frames = 0;         // of a clip; 0: the video is made in one piece
  int64_t first_dropped = 0;  // of the first clip's
  bool goes_on_from_image = false;
  bool has_pose = false;
  int64_t sound_length = 0;    // at kSpeechRate
  int64_t context_frames = 0;  // that a clip behind the first begins with once more
  bool replaces = false;       // the person of the driving video, in its own background
  DrivingPlan driving{};
};

/// The request with every default filled in and every bound checked, then, once the devices are open, with all that was
/// decided on them. Complete when Observer::on_plan tells it.
struct Plan {
  const Variant* variant = nullptr;
  std::string model;  // by model_name: the variant's name, or one made of the checkpoint's sizes
  bool from_image = false;
  Image image;       // as read, when from_image
  Image last_image;  // as read; without pixels where there is none
  int64_t asked_width = 0, asked_height = 0;
  int64_t area = 0;  // of these; an image's proportions then give the size
  int64_t width = 0, height = 0, num_frames = 0;
  double fps = 24;
  const Recipe* recipe = &recipes().front();
  int steps = 0;
  std::optional<double> shift;  // nullopt: the recipe has none
  double guidance_low = 0, guidance_high = 0;
  double boundary = 0;            // 0: the first expert runs at every step
  std::optional<int> split_step;  // first step of the low-noise expert: the boundary then says nothing
  Solver solver = Solver::kUniPC;
  uint64_t seed = 0;
  std::string prompt, negative_prompt;
  Schedule schedule;
  StepCachePlan step_cache;
  std::optional<int> cfg_gate_step;    // the first step whose guidance may take an earlier one's difference
  bool takes_magnitudes = false;       // of every forward, for a curve
  std::vector<StepForwards> forwards;  // one a step
  int64_t clips = 1;                   // that are made one after the other, each from noise of its own
  ClipPlan clip;                       // of a model of clips
  Shape latent;                        // [z, T, H, W], of a clip
  DType compute = DType::kF32;         // DiT and text encoder
  DitQuantization quantization;        // what of the DiT's blocks runs in 8 bits
  DType vae_compute = DType::kF32;
  std::string device, text_encoder_device;
  Parallel parallel;
  Overlap overlap = Overlap::kOn;
  std::optional<MemorySize> gpu_memory_limit;
  std::vector<LoraUse> loras;
  std::map<std::string, std::string> stored;  // component -> element types of its matrices in the file, or "random"

  // Filled in by `settle`.
  std::string device_name;   // of what computes
  int64_t device_count = 1;  // cards, or 1 for the CPU
  std::string kernel_table;  // digest of the table that chooses matrix kernels; empty: there is none
  int64_t cpu_threads = 0;   // that compute or convert on the host
  MemoryPlan memory;

  /// Index among the variant's experts of the one that runs step i.
  size_t expert_of(int step) const;
  double guidance_of(int step) const;
  /// Whether step i computes both branches: not with guidance 1, where the positive prompt's velocity is the result.
  bool is_guided(int step) const;
  bool uses_negative_prompt() const;
  /// Whether some forward is reused, or may be.
  bool is_altered() const;
  /// Whether what the blocks add to their input is kept from one forward for later ones.
  bool keeps_residuals() const;
  /// Ranks that share the VAE's columns: each has at least one of the latent's.
  int vae_ranks() const;
  bool has_last_image() const { return !last_image.rgb.empty(); }
  /// Whether a clip goes on from frames before it, whose latent is then decoded ahead of its own.
  bool goes_on(int64_t clip_number) const { return clip.frames > 0 && (clip_number > 0 || clip.goes_on_from_image); }
  /// Of a clip: frames that it adds to the video, and frames at its beginning that it does not.
  int64_t frames_of(int64_t clip_number) const;
  int64_t dropped_of(int64_t clip_number) const { return clip_number == 0 ? clip.first_dropped : clip.context_frames; }
  /// Latent frames that are decoded for the last clip, and frames that are encoded at once at most.
  int64_t decoded_latents() const;
  int64_t encoded_frames() const;
  /// Tokens that the last clip has beside its own; 0 without clips.
  int64_t added_tokens() const;
  /// Passes through a DiT's blocks: of all steps, and of the steps of one of the variant's experts. Those that are left
  /// open count.
  int passes() const;
  int passes_of(size_t expert) const { return passes_of(expert, forwards, 0); }
  /// From a step on, of forwards as they were decided meanwhile.
  int passes_of(size_t expert, const std::vector<StepForwards>& decided, int from_step) const;
  /// First step of the low-noise expert, the number of steps where it has none; nothing for a model with one expert.
  std::optional<int64_t> low_noise_from_step() const;
  PatchGrid grid() const { return variant->dit.patch.grid(latent[1], latent[2], latent[3]); }
};

/// Of what a component computes in.
constexpr Precision precision_of(DType compute) { return compute == DType::kF32 ? Precision::kF32 : Precision::kBF16; }

/// What a model that needs an image has where none is named: nothing, which is refused, or one of the video's
/// proportions, for a plan that is looked at and not run.
enum class Images { kNamed, kAssumed };

/// Throws Error(kUsage) naming the flag, what was given, what is possible.
Plan make_plan(const Request& request, const ModelSet& models, Images images = Images::kNamed);

/// Writes into the plan what the opened devices and their memory decided. `text_backend`: where text is encoded.
void settle(Plan& plan, const Backend& backend, const Backend& text_backend, const MemoryPlan& memory);

/// What a plan is made for: bytes free now, and bytes there could ever be. A request's gpu_memory_limit bounds both of
/// the device.
struct MemoryLimits {
  uint64_t device_free = 0, host_free = 0;
  uint64_t device_total = UINT64_MAX, host_total = UINT64_MAX;
};

/// Host memory left to everybody else when weights are page-locked: decoded frames, the encoder, the page cache's own.
inline constexpr uint64_t kHostReserveBytes = uint64_t{4} << 30;

/// Whether the files store the DiT's blocks in fewer bits than compute, by so much that to expand them pays.
bool is_stored_small(const ModelSet& models, DType compute);

/// Chooses the fastest residency that fits the device: resident, else packed where files store the weights in fewer
/// bits, else streamed from page-locked host memory, packed where that is smaller, or from the mapped file where the
/// host cannot hold the weights page-locked. `request.offload` overrides: stream only forbids
/// resident, the others are taken as they are. `history` is what the device does for the VAE's activations
/// (Backend::history_memory). Throws OutOfMemory with the smallest need when nothing fits what is free, and with the
/// largest video that fits when the plan needs more than there could ever be, or than the request's limit. Weights that
/// are to live where the request says are refused by what is free as well: beside what other programs hold a card's
/// size says nothing.
MemoryPlan plan_memory(const Request& request, const ModelSet& models, const Plan& plan, HistoryMemory history,
                       const MemoryLimits& limits);

/// The limits of `backend` and this machine now.
MemoryLimits memory_limits(const Backend& backend);

}  // namespace wan
