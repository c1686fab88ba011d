// Clips that a sound drives: the sound's features, the picture of who speaks, a pose, and the frames before each clip.
// Source: Wan-Video/Wan2.2 wan/speech2video.py (WanS2V.generate, encode_audio, load_pose_cond, read_last_n_frames).
#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <optional>

#include <fmt/format.h>

#include "base/error.h"
#include "io/resize.h"
#include "io/sound.h"
#include "io/video_frames.h"
#include "model/cost.h"
#include "model/dit_speech.h"
#include "model/speech_frames.h"
#include "pipeline/clip_source.h"
#include "pipeline/image_stage.h"
#include "pipeline/shown_clips.h"

namespace wan {
namespace {

constexpr int64_t kFramesOfReference = 6;  // that stand before the first clip where it goes on from the image
constexpr float kMissingPose = -1.0f;      // pixels of frames behind a pose video's end

Size size_of(const Plan& plan) { return {static_cast<int>(plan.width), static_cast<int>(plan.height)}; }

/// The pose video's frames, one after the other, at the video's rate and size.
class PoseFrames {
 public:
  explicit PoseFrames(const std::filesystem::path& video) : frames_(open_video_frames(video)) {}

  /// Writes the next frame into `out`, F32 planes [3, height, width]; false behind the last.
  bool next(const Plan& plan, float* out) {
    Image frame;
    const auto step =
        static_cast<int64_t>(std::max(1.0, std::nearbyint(frames_->facts().fps.value_or(plan.fps) / plan.fps)));
    for (int64_t skipped = is_begun_ ? 1 : step; skipped < step; ++skipped)
      if (!frames_->next(frame)) return false;
    is_begun_ = true;
    if (!frames_->next(frame)) return false;
    const std::vector<float> planes = fit_padded(to_planes(frame), {frame.width, frame.height}, size_of(plan));
    std::copy(planes.begin(), planes.end(), out);
    return true;
  }

 private:
  std::unique_ptr<VideoFrames> frames_;
  bool is_begun_ = false;
};

class SpeechClips final : public ClipSource {
 public:
  void begin_video(const StageContext& context) override;
  void begin_clip(const StageContext& context) override;
  std::vector<TokenPosition> positions() const override { return positions_; }
  void embed(const StageContext& context, LoadedExpert& expert) override;
  DitExtension& extension(int call) override { return branches_[static_cast<size_t>(call)]; }
  void dump_call(const StageContext& context, int call) const override;
  DecodeTask decoding(const StageContext& context, const Tensor& x) override;
  void end_clip(const StageContext& context) override;

 private:
  void encode_sound(const StageContext& context);
  void encode_reference(const StageContext& context);
  void encode_pose(const StageContext& context);
  Tensor heard(const StageContext& context) const;

  Tensor embedding_;  // host F32 [states, dim, frames of all clips]
  Tensor silence_;    // host F32 [states, dim, frames of a clip]: zeros
  Tensor reference_pixels_, reference_, motion_, pose_;
  Tensor before_;  // pixels F32 [3, kMotionFrames, H, W]: the last frames before the clip
  Tensor joined_, pixels_;
  ShownClips shown_;
  std::optional<PoseFrames> pose_frames_;
  std::optional<PixelEncoder> encoder_;  // of the frames before a clip, and of its pose
  std::vector<TokenPosition> positions_;
  std::optional<DitSpeech> speech_;
  std::vector<SpeechContext> contexts_;  // of the positive prompt's branch, and of the negative one's
  std::vector<DitSpeech::Branch> branches_;
};

/// Gives a tap the names of a dump that belong to the whole video.
class VideoProbe final : public Probe {
 public:
  explicit VideoProbe(Dump& dump) : dump_(dump) {}
  void tensor(const std::string& name, TensorView value) override {
    const TensorView whole = value.rank() == 2 ? value.reshape({1, value.shape[0], value.shape[1]}) : value;
    dump_.add_of_all_clips("audio." + name, whole);
  }

 private:
  Dump& dump_;
};

void SpeechClips::begin_video(const StageContext& context) {
  encode_sound(context);
  encode_reference(context);
  const Plan& plan = context.plan;
  Backend& device = context.device();
  before_ = device.allocate(DType::kF32, {3, kMotionFrames, plan.height, plan.width}, "frames before the clip");
  device.fill_zero(before_);
  for (int64_t i = 0; plan.clip.goes_on_from_image && i < kFramesOfReference; ++i)
    device.copy(reference_pixels_, before_.view().slice(1, kMotionFrames - 1 - i, kMotionFrames - i));
  if (plan.clip.has_pose) pose_frames_.emplace(context.request.pose_video);
}

void SpeechClips::encode_sound(const StageContext& context) {
  context.enter(StageRole::kAudioEncoding);
  Models& m = context.models;
  const Plan& plan = context.plan;
  const AudioEncoderConfig& audio = m.set.audio;
  const Sound file = read_sound(context.request.audio);
  const std::vector<float> samples = resampled(to_mono(file), file.rate, kAudioSampleRate);
  const std::vector<float> sound = normalised_sound(samples);
  const auto count = static_cast<int64_t>(sound.size());
  context.clock.add_flops(audio_encoder_cost(audio, count));
  context.dump.add("audio.samples", samples);
  context.dump.add("audio.input_values", host_tensor(sound, {1, count}));
  const int64_t length = speech_length(audio.frames_of(count)), frames = plan.clips * plan.clip.frames;
  embedding_ = host_tensor(DType::kF32, {audio.states(), audio.dim, frames});
  Tensor states, features;  // of a dump
  if (context.dump.is_on()) {
    states = host_tensor(DType::kF32, {audio.states(), audio.frames_of(count), audio.dim});
    features = host_tensor(DType::kF32, {audio.states(), length, audio.dim});
  }
  const auto take = [&](int64_t state, TensorView rows) {
    context.check_stop();
    const Tensor host = context.device().download(rows);
    const Tensor at_rate = at_speech_rate(host, length);
    put_heard(at_rate, plan.fps, embedding_.view().at(state));
    if (states.empty()) return;
    std::memcpy(states.view().at(state).data, host->data, host->bytes());
    std::memcpy(features.view().at(state).data, at_rate->data, at_rate->bytes());
  };
  const WeightSource source = m.set.audio_source();
  const Models::EncoderStores stores = m.make_audio_stores(source);
  VideoProbe probe(context.dump);
  encode_audio(context.device(), audio, source, stores.stem->acquire(0), *stores.layers, sound, take,
               context.dump.is_on() ? &probe : nullptr);
  stores.stem->release(0);
  if (!states.empty()) {
    context.dump.add("audio.hidden_states", states);
    context.dump.add("audio.features", features);
  }
  context.dump.add("audio.embedding", embedding_.view().reshape({1, audio.states(), audio.dim, frames}));
  silence_ = host_tensor(DType::kF32, {audio.states(), audio.dim, plan.clip.frames});
  std::memset(silence_->data, 0, silence_->bytes());
}

void SpeechClips::encode_reference(const StageContext& context) {
  context.enter(StageRole::kVaeEncoding);
  const Models& m = context.models;
  const Plan& plan = context.plan;
  Backend& device = context.device();
  const std::vector<float> planes = to_planes(fit_padded(plan.image, size_of(plan)));
  const Tensor host = host_tensor(planes, {3, 1, plan.height, plan.width});
  reference_pixels_ = device.allocate(DType::kF32, host->shape, "reference pixels");
  device.upload(host, reference_pixels_);
  Shape shape = plan.latent;
  shape[1] = 1;
  reference_ = device.allocate(DType::kF32, shape, "reference latent");
  context.clock.add_flops(vae_encode_cost(m.set.vae, m.set.vae_file(), 1, plan.height, plan.width));
  encode_pixels(context, reference_pixels_, reference_);
  context.dump.add("vae.encode0.video", host);
  context.dump.add("vae.encode0.latent", reference_);
}

/// A clip's pose: its first frame twice, so that the frames behind are whole latent frames, of which the first is left
/// out.
void SpeechClips::encode_pose(const StageContext& context) {
  const Models& m = context.models;
  const Plan& plan = context.plan;
  Backend& device = context.device();
  const int64_t frames = plan.clip.frames + 1, plane = plan.height * plan.width;
  const Tensor host = host_tensor(DType::kF32, {frames, 3, plan.height, plan.width});
  std::fill_n(host->as<float>(), host->count(), kMissingPose);
  bool has_more = true;
  for (int64_t i = 1; i < frames && has_more; ++i)
    has_more = pose_frames_->next(plan, host->as<float>() + i * 3 * plane);
  std::copy_n(host->as<float>() + 3 * plane, 3 * plane, host->as<float>());
  const Tensor staged = device.allocate(DType::kF32, host->shape, "pose pixels");
  device.upload(host, staged);
  const Tensor pixels = device.allocate(DType::kF32, {3, frames, plan.height, plan.width}, "pose pixels");
  device.copy(staged.view().permute({1, 0, 2, 3}), pixels);
  Shape shape = plan.latent;
  shape[1] = m.set.vae.traits().latent_frames(frames);
  const Tensor latent = device.allocate(DType::kF32, shape, "pose latent");
  context.clock.add_flops(vae_encode_cost(m.set.vae, m.set.vae_file(), frames, plan.height, plan.width));
  encoder_->encode(pixels, latent);
  device.copy(latent.view().slice(1, 1, shape[1]), pose_);
}

void SpeechClips::begin_clip(const StageContext& context) {
  context.enter(StageRole::kVaeEncoding);
  const Models& m = context.models;
  const Plan& plan = context.plan;
  Backend& device = context.device();
  const bool goes_on = plan.goes_on(context.clip);
  positions_ = speech_positions(plan.grid(), goes_on);
  if (pose_.empty()) {
    pose_ = device.allocate(DType::kF32, plan.latent, "pose latent");
    device.fill_zero(pose_);
  }
  const bool encodes_motion = goes_on || context.dump.is_on();
  if (!encoder_ && (encodes_motion || pose_frames_)) encoder_.emplace(context, plan.vae_compute);
  if (pose_frames_) encode_pose(context);
  if (encodes_motion) {  // the first clip's is nobody's but a dump's
    Shape shape = plan.latent;
    shape[1] = kMotionLatents;
    if (motion_.empty()) motion_ = device.allocate(DType::kF32, shape, "motion latent");
    context.clock.add_flops(vae_encode_cost(m.set.vae, m.set.vae_file(), kMotionFrames, plan.height, plan.width));
    encoder_->encode(before_, motion_);
  }
  const auto dump = [&](const char* name, const Tensor& latent) {
    const Shape& s = latent->shape;
    context.dump.add(name, latent.view().reshape({1, s[0], s[1], s[2], s[3]}));
  };
  if (!context.dump.is_on()) return;
  dump("ref_latents", reference_);
  dump("motion_latents", motion_);
  dump("cond_latents", pose_);
}

/// The embedding's part of the clip, host F32 [states, dim, frames].
Tensor SpeechClips::heard(const StageContext& context) const {
  const int64_t frames = context.plan.clip.frames, rows = embedding_->shape[0] * embedding_->shape[1];
  const int64_t all = embedding_->shape[2];
  Tensor part = host_tensor(DType::kF32, {embedding_->shape[0], embedding_->shape[1], frames});
  for (int64_t row = 0; row < rows; ++row)
    std::copy_n(embedding_->as<float>() + row * all + context.clip * frames, frames, part->as<float>() + row * frames);
  return part;
}

void SpeechClips::embed(const StageContext& context, LoadedExpert& expert) {
  const Plan& plan = context.plan;
  const TensorView stem = expert.stem->acquire(0), speech_stem = expert.extension_stem->acquire(0);
  expert.stem->release(0);
  expert.extension_stem->release(0);
  Probe* probe = context.dump.takes_blocks_of(0) ? &context.dump.call(0) : nullptr;
  branches_.clear();
  contexts_.clear();
  speech_.emplace(context.device(), context.models.set.dit, plan.compute, stem, speech_stem);
  speech_->begin_clip({reference_, plan.goes_on(context.clip) ? motion_.view() : TensorView{}, pose_}, probe);
  contexts_.push_back(speech_->embed_audio(heard(context), probe));
  if (plan.uses_negative_prompt()) contexts_.push_back(speech_->embed_audio(silence_));
  for (SpeechContext& audio : contexts_) branches_.emplace_back(*speech_, audio, *expert.extension_layers);
}

void SpeechClips::dump_call(const StageContext& context, int call) const {
  const Tensor sound = heard(context);
  const TensorView value = call == 0 ? sound.view() : silence_.view();
  context.dump.add(fmt::format("dit.call{}.audio_input", call),
                   value.reshape({1, value.shape[0], value.shape[1], value.shape[2]}));
}

DecodeTask SpeechClips::decoding(const StageContext& context, const Tensor& x) {
  const Plan& plan = context.plan;
  Backend& device = context.device();
  branches_.clear();
  contexts_.clear();
  speech_.reset();
  const Tensor& front = plan.goes_on(context.clip) ? motion_ : reference_;
  const int64_t before = front->shape[1];
  Shape shape = plan.latent;
  shape[1] += before;
  joined_ = device.allocate(DType::kF32, shape, "latent to decode");
  device.copy(front, joined_.view().slice(1, 0, before));
  device.copy(x, joined_.view().slice(1, before, shape[1]));
  const int64_t frames = plan.frames_of(context.clip);
  pixels_ = device.allocate(DType::kF32, {3, frames, plan.height, plan.width}, "clip's frames");
  return {joined_, context.models.set.vae.traits().video_frames(shape[1]) - frames, pixels_};
}

void SpeechClips::end_clip(const StageContext& context) {
  const Plan& plan = context.plan;
  Backend& device = context.device();
  joined_.reset();
  const int64_t frames = pixels_->shape[1], kept = std::min(kMotionFrames, frames);
  if (context.clip + 1 < plan.clips) {
    Tensor next = device.allocate(DType::kF32, before_->shape, "frames before the clip");
    device.copy(before_.view().slice(1, kept, kMotionFrames), next.view().slice(1, 0, kMotionFrames - kept));
    device.copy(pixels_.view().slice(1, frames - kept, frames),
                next.view().slice(1, kMotionFrames - kept, kMotionFrames));
    device.synchronize();
    before_ = std::move(next);
  }
  shown_.add(context, pixels_);
  pixels_.reset();
}

}  // namespace

std::unique_ptr<ClipSource> make_clip_source(const Plan& plan) {
  if (plan.variant->takes_driving_video()) return make_animate_clips();
  if (plan.clip.frames == 0) return nullptr;
  return std::make_unique<SpeechClips>();
}

}  // namespace wan
