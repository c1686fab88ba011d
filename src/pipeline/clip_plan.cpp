#include "pipeline/clip_plan.h"

#include <algorithm>

#include <fmt/format.h>

#include "base/error.h"
#include "base/flags.h"
#include "io/sound.h"
#include "io/video_frames.h"
#include "model/speech_frames.h"

namespace wan {
namespace {

constexpr int64_t kAssumedClips = 2;  // the second is larger than the first, and as large as any behind it

void require_usage(bool condition, const std::string& message) { require(condition, message, ErrorKind::kUsage); }

/// Of a video that is made in one piece.
void refuse_clip_options(const Request& request, const Variant& variant) {
  std::string models;
  for (const Variant& row : variants())
    if (row.takes_audio()) models += (models.empty() ? "" : " or ") + std::string(row.name);
  const auto refuse = [&](bool given, const char* flag) {
    require_usage(!given, fmt::format("{}: {} takes no sound: leave it out, or name a checkpoint of {}", flag,
                                      variant.name, models));
  };
  refuse(!request.audio.empty(), "--audio");
  refuse(!request.pose_video.empty(), "--pose-video");
  refuse(request.start_from_ref, "--start-from-ref");
  refuse(request.num_clips > 0, "--num-clips");
  refuse(request.frames_per_clip > 0, "--frames-per-clip");
  refuse(request.drop_silent_clip, "--drop-silent-clip");
  refuse(request.align_sound, "--align-sound");
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
  if (!variant.makes_clips()) return refuse_clip_options(request, variant);
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
