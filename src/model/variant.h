// The models of the family, one row each: what a model is called, what conditions it, its sizes, defaults and files.
// Whoever has to tell models apart asks a property of the row. A smaller model of the same architecture takes the row
// of its task, with the sizes of its checkpoint.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/stage.h"
#include "model/dit_config.h"

namespace wan {

enum class VaeVersion { k21, k22 };

/// What a VAE makes of a video. Its widths are read off its tensors.
struct VaeTraits {
  VaeVersion version;
  std::string_view name;       // for people
  std::string_view file_name;  // in a checkpoint's folder
  int64_t latent_channels;
  int64_t stride_temporal;  // frames a latent frame stands for, the first of a video excepted, which stands for one
  int64_t stride_spatial;   // pixels a side of a latent position
  int64_t patch;            // pixels a side that become channels ahead of the first convolution; within stride_spatial

  int64_t latent_frames(int64_t frames) const { return (frames - 1) / stride_temporal + 1; }
  int64_t video_frames(int64_t latent_frames) const { return (latent_frames - 1) * stride_temporal + 1; }
  /// Whether a video of `frames` frames is coded whole.
  bool can_code(int64_t frames) const { return frames > 0 && video_frames(latent_frames(frames)) == frames; }
};

const VaeTraits& traits_of(VaeVersion version);

/// Which timesteps an expert runs at: all, those from the boundary on, those below it.
enum class NoiseRange { kAll, kHigh, kLow };

/// "high_noise", "low_noise"; nothing of the only one.
std::string_view expert_name(NoiseRange range);

/// One DiT of a model.
struct ExpertSpec {
  std::string_view name;    // "high_noise"; empty: the only one
  std::string_view folder;  // in the checkpoint's folder; empty: that folder itself
  NoiseRange range;
  double guidance;  // default scale
};

enum class Presence { kNever, kOptional, kRequired };

/// How an image is fitted to the video's size. Both choose a size near the area that was asked for.
enum class ImageFit {
  kCover,    // the size nearest to its proportions; scaled (Lanczos) to cover that, and cut about its centre
  kStretch,  // sides nearest to its own; scaled (bicubic) to them
  kPad,  // the first of a hundred shrinking sizes that is within the area; scaled (bilinear) by its shorter side, cut
         // about its centre, and black where it is too short
};

/// Where the encoded image goes.
enum class ImageLatent {
  kFirstFrame,  // it is the latent's first frame at every step, whose tokens have timestep 0
  kTokens,      // behind the noise's tokens, whatever the step's timestep with timestep 0
  kChannels,    // a mask of the frames that are given and the encoded video of these, empty between them, stand behind
                // the noise, as channels of the input
};

/// What a first frame, and a last one, does to a model that takes it.
struct ImageConditioning {
  Presence presence = Presence::kNever;
  ImageFit fit = ImageFit::kCover;
  ImageLatent latent = ImageLatent::kFirstFrame;
};

struct VideoSize {
  int64_t width = 0, height = 0, num_frames = 0;
};

/// Sampling defaults. Source: wan/configs/wan_*.py and shared_config.py.
struct ModelDefaults {
  VideoSize size;
  double fps = 0;
  int steps = 0;
  double shift = 0;
  double boundary = 0;  // share of 1000 timesteps from which on the high-noise expert runs; 0 where there is one model
  std::string_view negative_prompt;
  std::string_view prompt{};  // where none is given; empty: one has to be
};

/// How a model makes a longer video: clip by clip, each continuing the last frames of the one before.
struct ClipTraits {
  int64_t frames = 0;          // of a clip, by default; 0: the model makes its video in one piece
  int64_t most_frames = 0;     // that a clip may have
  int64_t first_dropped = 0;   // frames of the first clip that nobody sees, where nothing comes before it
  int64_t context_frames = 0;  // that a clip begins with once more, by default
  bool draws_bf16 = false;     // the official program draws a clip's noise in BF16
  bool draws_on = false;       // each clip's noise is the next draw of one generator, not the first of another seed's
};

struct Variant {
  std::string_view name;          // of the published size: in options, suites and records
  std::string_view task;          // config.json's model_type; in records
  std::string_view class_name;    // config.json's _class_name
  std::string_view abbreviation;  // in names of stages and for people
  std::string_view description;
  std::string_view repository;  // of the official checkpoint
  int gigabytes;                // it takes
  DitConfig dit;                // of the published size
  VaeVersion vae;
  std::span<const ExpertSpec> experts;  // from high noise to low
  ImageConditioning image;
  ClipTraits clips{};
  ModelDefaults defaults;
  std::span<const VideoSize> usual_sizes;  // whose matrix products are worth tuning
  std::span<const StageRole> stages;       // of a run; kVaeEncoding where there is an image

  bool first_frame_is_latent() const {
    return image.presence != Presence::kNever && image.latent == ImageLatent::kFirstFrame;
  }
  bool appends_condition_channels() const {
    return image.presence != Presence::kNever && image.latent == ImageLatent::kChannels;
  }
  bool makes_clips() const { return clips.frames > 0; }
  /// Whether a last frame may be given beside the first: where a mask says which frames are.
  bool takes_last_image() const { return appends_condition_channels(); }
  /// Whether a sound drives the video.
  bool takes_audio() const { return dit.speech.injected > 0; }
  /// Whether the pose and the face of a driving video move it.
  bool takes_driving_video() const { return dit.animate.face_blocks > 0; }
  /// Latent frames of a clip of so many frames: of all of them, and where a driving video moves it of the reference
  /// ahead of these.
  int64_t clip_latents(int64_t frames) const;
  const VaeTraits& vae_traits() const { return traits_of(vae); }
  /// A video's sides are multiples of it: of the largest patch that anything of it is cut into.
  int64_t side_step() const;
  PatchGrid grid(const VideoSize& size) const;
};

/// In the order they are named to people.
std::span<const Variant> variants();

/// Throws Error(kUsage), naming those there are, for another name.
const Variant& variant_named(std::string_view name);

/// The row of config.json's model_type; nullptr where there is none.
const Variant* find_task(std::string_view task);

/// What --model may be.
std::vector<std::string> model_names();
/// "ti2v-5B, t2v-A14B or ..."
std::string model_names_text();

/// The published name where the sizes are the published ones, else one made of the task and the sizes, so that a name
/// does not depend on a folder's.
std::string model_name(const Variant& variant, const DitConfig& dit);

}  // namespace wan
