#include "pipeline/clip_plan.h"

#include <algorithm>

#include <fmt/format.h>

#include "base/error.h"
#include "base/flags.h"
#include "io/sound.h"
#include "io/video_frames.h"
#include "model/speech_frames.h"
#include "pipeline/driving_video.h"
#include "pipeline/request_options.h"

namespace wan {
namespace {

constexpr int64_t kAssumedClips = 2;  // the second is larger than the first, and as large as any behind it

void require_usage(bool condition, const std::string& message) { require(condition, message, ErrorKind::kUsage); }

/// "s2v-14B or ...": the models of which `takes` holds.
std::string models_that(bool (Variant::*takes)() const) {
  std::string models;
  for (const Variant& row : variants())
    if ((row.*takes)()) models += (models.empty() ? "" : " or ") + std::string(row.name);
  return models;
}

void refuse_sound_options(const Request& request, const Variant& variant) {
  const auto refuse = [&](bool given, const char* flag) {
    require_usage(!given, fmt::format("{}: {} takes no sound: leave it out, or name a checkpoint of {}", flag,
                                      variant.name, models_that(&Variant::takes_audio)));
  };
  refuse(!request.audio.empty(), "--audio");
  refuse(!request.pose_video.empty(), "--pose-video");
  refuse(request.start_from_ref, "--start-from-ref");
  refuse(request.num_clips > 0, "--num-clips");
  refuse(request.drop_silent_clip, "--drop-silent-clip");
  refuse(request.align_sound, "--align-sound");
}

void refuse_driving_options(const Request& request, const Variant& variant) {
  const auto refuse = [&](bool given, const char* flag) {
    require_usage(!given, fmt::format("{}: no driving video moves {}: leave it out, or name a checkpoint of {}", flag,
                                      variant.name, models_that(&Variant::takes_driving_video)));
  };
  refuse(!request.animate_inputs.empty(), "--animate-inputs");
  refuse(request.replace, "--replace");
  refuse(request.context_frames > 0, "--context-frames");
}

/// Of a video that a driving video moves.
void choose_driven_clips(const Request& request, const ModelSet& models, bool may_be_assumed, Plan& plan) {
  const Variant& variant = *plan.variant;
  const ClipTraits& traits = variant.clips;
  refuse_sound_options(request, variant);
  require_usage(!request.animate_inputs.empty() || may_be_assumed,
                "this checkpoint is moved by a driving video: name the folder of its preprocessed files with "
                "--animate-inputs");
  require_usage(request.num_frames == 0,
                "--num-frames: the driving video decides how long this model's video is: give each clip other frames "
                "with --frames-per-clip");
  ClipPlan& clip = plan.clip;
  clip.frames = request.frames_per_clip > 0 ? request.frames_per_clip : traits.frames;
  clip.context_frames = request.context_frames > 0 ? request.context_frames : traits.context_frames;
  clip.replaces = request.replace;
  const int64_t stride = models.vae.traits().stride_temporal;
  require_usage(
      clip.context_frames == 1 || clip.context_frames == 1 + stride,
      fmt::format("--context-frames {}: must be 1 or {}, one or two latent frames", clip.context_frames, 1 + stride));
  const int64_t fewest = std::max(2 * clip.context_frames, 1 + stride);
  require_usage(models.vae.traits().can_code(clip.frames) && clip.frames >= fewest && clip.frames <= traits.most_frames,
                fmt::format("--frames-per-clip {}: must be one more than a multiple of {}, {} to {}", clip.frames,
                            stride, fewest, traits.most_frames));
  constexpr int64_t kAssumed = 2;
  plan.clips = kAssumed;
  plan.num_frames = driven_length(clip.frames + 1, clip.frames, clip.context_frames);
  if (request.animate_inputs.empty()) return;
  clip.driving = look_at_driving_files(request.animate_inputs, clip.replaces, variant, models.dit.animate.face_side());
  plan.num_frames = clip.driving.pose_frames;
  plan.clips = driven_clips(plan.num_frames, clip.frames, clip.context_frames);
  require_usage(plan.clips <= kClips.most,
                fmt::format("{}: {} frames are more than the {} clips that are made: cut it",
                            driving_files(request.animate_inputs).pose.string(), plan.num_frames, kClips.most));
}

/// At kSpeechRate.
int64_t length_of(const std::filesystem::path& file, const AudioEncoderConfig& encoder) {
  const Sound sound = read_sound(file);
  const int64_t samples = (sound.frames() * kAudioSampleRate + sound.rate - 1) / sound.rate;
  const int64_t length = speech_length(encoder.frames_of(samples));
  require(length > 0, fmt::format("{}: {:.3f} s of sound are too short to be spoken: take at least {:.1f} s",
                                  file.string(), sound.seconds(), 0.1));
  return length;
}

}  // namespace

void choose_clips(const Request& request, const ModelSet& models, bool may_be_assumed, Plan& plan) {
  const Variant& variant = *plan.variant;
  if (variant.takes_driving_video()) return choose_driven_clips(request, models, may_be_assumed, plan);
  refuse_driving_options(request, variant);
  if (!variant.makes_clips()) {
    refuse_sound_options(request, variant);
    require_usage(request.frames_per_clip == 0,
                  fmt::format("--frames-per-clip: {} makes its video in one piece: leave it out", variant.name));
    return;
  }
  require_usage(!request.audio.empty() || may_be_assumed,
                "this checkpoint is speech-to-video: name the sound with --audio");
  require_usage(request.num_frames == 0,
                "--num-frames: the sound decides how long this model's video is: bound it with --num-clips, or give "
                "each clip other frames with --frames-per-clip");
  const ClipTraits& traits = variant.clips;
  const int64_t stride = models.vae.traits().stride_temporal;
  ClipPlan& clip = plan.clip;
  clip.frames = request.frames_per_clip > 0 ? request.frames_per_clip : traits.frames;
  require_usage(clip.frames % stride == 0 && clip.frames <= traits.most_frames,
                fmt::format("--frames-per-clip {}: must be a multiple of {}, at most {}", clip.frames, stride,
                            traits.most_frames));
  clip.goes_on_from_image = request.start_from_ref;
  clip.first_dropped = request.start_from_ref ? 0 : traits.first_dropped;
  clip.has_pose = !request.pose_video.empty();
  if (clip.has_pose) open_video_frames(request.pose_video);  // what it is not is told before any work
  plan.clips = request.num_clips > 0 ? request.num_clips : kAssumedClips;
  if (!request.audio.empty()) {
    clip.sound_length = length_of(request.audio, models.audio);
    const int64_t most = request.drop_silent_clip ? filled_clips(clip.sound_length, clip.frames, plan.fps)
                                                  : speech_clips(clip.sound_length, clip.frames, plan.fps);
    plan.clips = request.num_clips > 0 ? std::min(request.num_clips, most) : most;
    require_usage(!request.align_sound || clip.sound_length > speech_frame(clip.first_dropped, plan.fps),
                  "--align-sound: the sound ends before the first frame that is shown: leave it out, or take a longer "
                  "sound");
  }
  plan.num_frames = plan.clips * clip.frames - clip.first_dropped;
}

void check_clip_settings(const Request& request, const Plan& plan) {
  const auto refuse = [&](bool asked, const char* what) {
    require_usage(!asked, fmt::format("{}: does not work with {} yet: leave it out", what, plan.variant->name));
  };
  refuse(request.step_cache.value_or(StepCache::kOff) != StepCache::kOff, "--step-cache");
  refuse(request.cfg_gate.has_value(), "--cfg-gate");
  refuse(plan.takes_magnitudes, "the curve of a step cache");
  refuse(!request.replay.empty(), "--replay");
  refuse(plan.solver == Solver::kLcm, "--solver lcm");
}

}  // namespace wan
