// Clips that a driving video moves: a picture's tokens and latent, the pose and the face of each clip's frames, and
// what is known of them: the last frames of the clip before, and a background where the video's person is replaced.
// Source: Wan-Video/Wan2.2 wan/animate.py (WanAnimate.generate).
#include <algorithm>
#include <array>
#include <cstring>
#include <optional>
#include <span>

#include <fmt/format.h>

#include "base/error.h"
#include "base/threads.h"
#include "io/orientation.h"
#include "io/resize.h"
#include "model/cost.h"
#include "model/dit_animate.h"
#include "model/image_encoder.h"
#include "model/motion_encoder.h"
#include "pipeline/clip_source.h"
#include "pipeline/driving_video.h"
#include "pipeline/image_stage.h"
#include "pipeline/shown_clips.h"

namespace wan {
namespace {

constexpr float kNoFace = -1.0f;  // pixels of the face that the negative prompt's branch sees
constexpr double kHalfByte = 127.5;

Size size_of(const Plan& plan) { return {static_cast<int>(plan.width), static_cast<int>(plan.height)}; }

/// Bytes to [-1, 1] as the source has it, [height, width, 3] to [3, height, width].
void put_driven_planes(const Image& image, std::span<float> planes) {
  constexpr int64_t kPixelsAtOnce = int64_t{1} << 16;
  std::array<float, 256> values{};
  for (size_t i = 0; i < values.size(); ++i) values[i] = static_cast<float>(static_cast<double>(i) / kHalfByte - 1);
  const size_t pixels = static_cast<size_t>(image.width) * static_cast<size_t>(image.height);
  require_op(planes.size() == image.rgb.size() && planes.size() == 3 * pixels, "planes and picture disagree");
  for_chunks(static_cast<int64_t>(pixels), kPixelsAtOnce, [&](int64_t begin, int64_t end) {
    for (auto i = static_cast<size_t>(begin); i < static_cast<size_t>(end); ++i)
      for (size_t c = 0; c < 3; ++c) planes[c * pixels + i] = values[image.rgb[i * 3 + c]];
  });
}

std::vector<float> driven_planes(const Image& image) {
  std::vector<float> planes(image.rgb.size());
  put_driven_planes(image, planes);
  return planes;
}

std::span<float> values_of(const Tensor& host) { return {host->as<float>(), static_cast<size_t>(host->count())}; }

/// Gives a tap names in a dump: behind `prefix`, tensors as they are.
class NamedProbe final : public Probe {
 public:
  enum class Of { kClip, kVideo };
  NamedProbe(Dump& dump, std::string prefix, Of of) : dump_(dump), prefix_(std::move(prefix)), of_(of) {}
  void tensor(const std::string& name, TensorView value) override {
    if (of_ == Of::kClip) return dump_.add(prefix_ + name, value);
    dump_.add_of_all_clips(prefix_ + name, value.reshape({1, value.shape[0], value.shape[1]}));
  }

 private:
  Dump& dump_;
  std::string prefix_;
  Of of_;
};

class AnimateClips final : public ClipSource {
 public:
  void begin_video(const StageContext& context) override;
  void begin_clip(const StageContext& context) override;
  std::vector<TokenPosition> positions() const override { return {}; }
  void embed(const StageContext& context, LoadedExpert& expert) override;
  DitExtension& extension(int call) override { return branches_[static_cast<size_t>(call)]; }
  TensorView model_input() const override { return input_; }
  void dump_call(const StageContext& context, int call) const override;
  DecodeTask decoding(const StageContext& context, const Tensor& x) override;
  void end_clip(const StageContext& context) override;

 private:
  void encode_picture(const StageContext& context, const std::vector<float>& planes);
  void encode_reference(const StageContext& context, const std::vector<float>& planes);
  void encode_faces(const StageContext& context);
  void encode_pose(const StageContext& context);
  void encode_known(const StageContext& context);
  void encode_video(const StageContext& context, TensorView pixels, TensorView latent);
  Tensor motion_of_no_face(const StageContext& context);
  Tensor known_masks(const StageContext& context);
  void read_frames(const StageContext& context, DrivenFrames& frames, TensorView pixels) const;
  void expect_frames(const StageContext& context, int clip);
  /// Of the driving video, to and fro, of this clip's first.
  static int64_t first_frame(const StageContext& context) {
    return context.clip * (context.plan.clip.frames - context.plan.clip.context_frames);
  }

  Tensor picture_;    // F32 [tokens, dim]: the image encoder's
  Tensor reference_;  // F32 [z, 1, H, W]
  std::optional<WeightSource> motion_source_;
  std::optional<MotionEncoder> motion_encoder_;
  std::optional<PixelEncoder> encoder_;  // of videos: the pose, and what is known of a clip
  std::optional<DrivenFrames> pose_frames_, face_frames_, background_frames_, mask_frames_;
  Tensor motion_, no_motion_;  // F32 [frames, motion_dim], of the clip's faces, and of none
  Tensor pose_;                // F32 [z, T, H, W]
  Tensor input_;               // F32 [in_dim, 1 + T, H, W]
  Tensor context_;             // pixels F32 [3, context frames, height, width]: the last ones of the clip before
  Tensor latent_, pixels_;
  ShownClips shown_;
  std::optional<ImageContext> image_;  // once a video: its keys and values fill up with the first step's blocks
  std::optional<DitAnimate> animate_;
  std::vector<FaceContext> faces_;  // of the positive prompt's branch, and of the negative one's
  std::vector<DitAnimate::Branch> branches_;
};

void AnimateClips::begin_video(const StageContext& context) {
  const Plan& plan = context.plan;
  const DrivingFiles files = driving_files(context.request.animate_inputs);
  const DrivingPlan& driving = plan.clip.driving;
  pose_frames_.emplace(files.pose, driving.pose_frames);
  face_frames_.emplace(files.face, driving.face_frames);
  if (plan.clip.replaces) {
    background_frames_.emplace(files.background, driving.background_frames);
    mask_frames_.emplace(files.mask, driving.mask_frames);
  }
  expect_frames(context, 0);
  context.enter(StageRole::kImageEncoding);
  const std::vector<float> planes = driven_planes(fit_inside(read_upright_image(files.reference), size_of(plan)));
  encode_picture(context, planes);
  encode_reference(context, planes);
}

void AnimateClips::encode_picture(const StageContext& context, const std::vector<float>& planes) {
  Models& m = context.models;
  const WeightSource source = m.set.image_source();
  const Models::EncoderStores stores = m.make_image_stores(source);
  NamedProbe probe(context.dump, "clip_vision.", NamedProbe::Of::kVideo);
  context.clock.add_flops(image_encoder_cost(m.set.image));
  const Tensor pixels = image_encoder_pixels(m.set.image, planes, size_of(context.plan));
  picture_ = encode_image_tokens(context.device(), m.set.image, stores.stem->acquire(0), *stores.layers, pixels,
                                 context.dump.is_on() ? &probe : nullptr);
  stores.stem->release(0);
}

void AnimateClips::encode_reference(const StageContext& context, const std::vector<float>& planes) {
  context.enter(StageRole::kVaeEncoding);
  const Plan& plan = context.plan;
  Backend& device = context.device();
  const Tensor host = host_tensor(planes, {3, 1, plan.height, plan.width});
  const Tensor pixels = device.allocate(DType::kF32, host->shape, "reference pixels");
  device.upload(host, pixels);
  Shape shape = plan.latent;
  shape[1] = 1;
  reference_ = device.allocate(DType::kF32, shape, "reference latent");
  encode_video(context, pixels, reference_);
}

void AnimateClips::encode_video(const StageContext& context, TensorView pixels, TensorView latent) {
  const ModelSet& set = context.models.set;
  context.check_stop();
  context.clock.add_flops(vae_encode_cost(set.vae, set.vae_file(), pixels.shape[1], pixels.shape[2], pixels.shape[3]));
  context.clock.mark("frames");  // read and brought to the device until now
  if (pixels.shape[1] == 1) {
    encode_pixels(context, pixels, latent);
  } else {
    if (!encoder_) encoder_.emplace(context, context.plan.vae_compute);
    encoder_->encode(pixels, latent);
  }
  context.clock.mark("encode");
}

/// The clip's frames into pixels F32 [3, frames, height, width] on the device.
void AnimateClips::read_frames(const StageContext& context, DrivenFrames& frames, TensorView pixels) const {
  Backend& device = context.device();
  const Shape one{3, 1, pixels.shape[2], pixels.shape[3]};
  const Tensor host = host_tensor(DType::kF32, one), staged = device.allocate(DType::kF32, one, "frame");
  frames.read(first_frame(context), pixels.shape[1], [&](int64_t i, const Image& frame) {
    context.check_stop();
    put_driven_planes(frame, values_of(host));
    device.upload(host, staged);
    device.copy(staged, pixels.slice(1, i, i + 1));
  });
  device.synchronize();
}

void AnimateClips::encode_faces(const StageContext& context) {
  context.enter(StageRole::kFaceEncoding);
  const Plan& plan = context.plan;
  Backend& device = context.device();
  const AnimateConfig& animate = context.models.set.dit.animate;
  if (!motion_encoder_) {
    motion_source_.emplace(context.models.set.dit_source(0));
    motion_encoder_.emplace(device, animate, *motion_source_);
    context.dump.add_of_all_clips("motion_encoder.Q", motion_encoder_->directions());
    if (plan.uses_negative_prompt()) no_motion_ = motion_of_no_face(context);
  }
  NamedProbe probe(context.dump, "dit.call0.", NamedProbe::Of::kClip);
  Probe* taken = context.dump.takes_blocks_of(0) ? &probe : nullptr;
  const Tensor rows = device.allocate(DType::kF32, {plan.clip.frames, animate.motion_dim}, "faces");
  const int64_t side = animate.face_side();
  const Tensor pixels = device.allocate(DType::kF32, {3, 1, side, side}, "face");
  const Tensor host_pixels = host_tensor(DType::kF32, pixels->shape);
  face_frames_->read(first_frame(context), plan.clip.frames, [&](int64_t i, const Image& face) {
    context.check_stop();
    context.clock.add_flops(motion_encoder_cost(animate));
    put_driven_planes(face, values_of(host_pixels));
    device.upload(host_pixels, pixels);
    motion_encoder_->encode_face(pixels, rows.view().slice(0, i, i + 1), i == 0 && context.clip == 0 ? taken : nullptr);
  });
  motion_ = motion_encoder_->motion(rows, taken);
}

/// All frames alike: encoded once.
Tensor AnimateClips::motion_of_no_face(const StageContext& context) {
  Backend& device = context.device();
  const AnimateConfig& animate = context.models.set.dit.animate;
  const int64_t side = animate.face_side(), frames = context.plan.clip.frames;
  const Tensor host = host_tensor(DType::kF32, {3, 1, side, side});
  std::fill_n(host->as<float>(), host->count(), kNoFace);
  const Tensor pixels = device.allocate(DType::kF32, host->shape, "face");
  device.upload(host, pixels);
  const Tensor row = device.allocate(DType::kF32, {1, animate.motion_dim}, "faces");
  motion_encoder_->encode_face(pixels, row);
  const Tensor one = motion_encoder_->motion(row);
  Tensor all = device.allocate(DType::kF32, {frames, animate.motion_dim}, "face motion");
  for (int64_t i = 0; i < frames; ++i) device.copy(one, all.view().slice(0, i, i + 1));
  device.synchronize();
  return all;
}

void AnimateClips::encode_pose(const StageContext& context) {
  const Plan& plan = context.plan;
  Backend& device = context.device();
  const Tensor pixels = device.allocate(DType::kF32, {3, plan.clip.frames, plan.height, plan.width}, "pose pixels");
  read_frames(context, *pose_frames_, pixels);
  Shape shape = plan.latent;
  shape[1] -= 1;
  if (pose_.empty()) pose_ = device.allocate(DType::kF32, shape, "pose latent");
  encode_video(context, pixels, pose_);
}

/// Which pixels of the clip's frames are known, at the latent's rows and columns: host F32 [stride, T, H, W].
Tensor AnimateClips::known_masks(const StageContext& context) {
  const Plan& plan = context.plan;
  const VaeTraits& vae = context.models.set.vae.traits();
  const int64_t plane = plan.latent[2] * plan.latent[3], frames = plan.clip.frames;
  std::vector<float> known(static_cast<size_t>(frames * plane));
  if (mask_frames_)
    mask_frames_->read(first_frame(context), frames, [&](int64_t i, const Image& mask) {
      context.check_stop();
      const int64_t step = vae.stride_spatial;
      for (int64_t y = 0; y < plan.latent[2]; ++y)
        for (int64_t x = 0; x < plan.latent[3]; ++x) {
          const auto at = static_cast<size_t>((y * step * plan.width + x * step) * 3);
          known[static_cast<size_t>(i * plane + y * plan.latent[3] + x)] =
              1.0f - static_cast<float>(mask.rgb[at]) / 255.0f;
        }
    });
  if (context.clip > 0) std::fill_n(known.begin(), plan.clip.context_frames * plane, 1.0f);
  return mask_channels(known, vae.stride_temporal, plan.latent[2], plan.latent[3]);
}

/// Behind the noise in the model's input: the masks and the latent of what is known, the reference's first.
void AnimateClips::encode_known(const StageContext& context) {
  const Plan& plan = context.plan;
  Backend& device = context.device();
  const int64_t z = plan.latent[0], masks = context.models.set.vae.traits().stride_temporal;
  const int64_t in_dim = context.models.set.dit.in_dim;
  require(in_dim == 2 * z + masks,
          fmt::format("a DiT that a driving video moves takes {} channels, this one {}", 2 * z + masks, in_dim));
  if (input_.empty()) {
    Shape shape = plan.latent;
    shape[0] = in_dim;
    input_ = device.allocate(DType::kF32, shape, "model input");
    device.fill_zero(input_);
    for (int64_t c = 0; c < masks; ++c)
      device.fill_normal(input_.view().at(z + c).slice(0, 0, 1), 0, 1.0f, 0.0f);  // the reference is known
    device.copy(reference_, input_.view().slice(0, z + masks, in_dim).slice(1, 0, 1));
  }
  const Tensor host = known_masks(context);
  const Tensor known = device.allocate(DType::kF32, host->shape, "known pixels");
  device.upload(host, known);
  device.copy(known, input_.view().slice(0, z, z + masks).slice(1, 1, plan.latent[1]));
  const Tensor pixels = device.allocate(DType::kF32, {3, plan.clip.frames, plan.height, plan.width}, "known pixels");
  device.fill_zero(pixels);
  if (background_frames_) read_frames(context, *background_frames_, pixels);
  if (context.clip > 0) device.copy(context_, pixels.view().slice(1, 0, plan.clip.context_frames));
  Shape shape = plan.latent;
  shape[1] -= 1;
  const Tensor latent = device.allocate(DType::kF32, shape, "known latent");
  encode_video(context, pixels, latent);
  device.copy(latent, input_.view().slice(0, z + masks, in_dim).slice(1, 1, plan.latent[1]));
  device.synchronize();
}

/// The driving video's frames of a clip, while the device computes what comes before.
void AnimateClips::expect_frames(const StageContext& context, int clip) {
  const ClipPlan& plan = context.plan.clip;
  const int64_t first = clip * (plan.frames - plan.context_frames);
  const auto side = static_cast<int>(context.models.set.dit.animate.face_side());
  face_frames_->expect(first, plan.frames, {side, side});
  for (std::optional<DrivenFrames>* frames : {&pose_frames_, &background_frames_, &mask_frames_})
    if (*frames) (*frames)->expect(first, plan.frames, size_of(context.plan));
}

void AnimateClips::begin_clip(const StageContext& context) {
  encode_faces(context);
  context.enter(StageRole::kVaeEncoding);
  encode_pose(context);
  encode_known(context);
  if (context.clip + 1 < context.plan.clips) expect_frames(context, context.clip + 1);
}

void AnimateClips::embed(const StageContext& context, LoadedExpert& expert) {
  const TensorView stem = expert.extension_stem->acquire(0);
  expert.extension_stem->release(0);
  Probe* probe = context.dump.takes_blocks_of(0) ? &context.dump.call(0) : nullptr;
  branches_.clear();
  faces_.clear();
  animate_.emplace(context.device(), context.models.set.dit, context.plan.compute, stem);
  if (!image_) image_.emplace(animate_->embed_image(picture_, probe));
  faces_.push_back(animate_->embed_faces(motion_, probe));
  if (context.plan.uses_negative_prompt()) faces_.push_back(animate_->embed_faces(no_motion_));
  for (FaceContext& faces : faces_)
    branches_.emplace_back(*animate_, DitAnimate::Parts{*image_, faces, pose_, *expert.extension_layers});
}

void AnimateClips::dump_call(const StageContext& context, int call) const {
  const std::string prefix = fmt::format("dit.call{}.", call);
  const auto whole = [](const Tensor& value) {
    std::vector<int64_t> extents{1};
    for (const int64_t extent : value->shape.extents()) extents.push_back(extent);
    return value.view().reshape(Shape(extents));
  };
  context.dump.add(prefix + "clip_fea", whole(picture_));
  context.dump.add(prefix + "pose_latents", whole(pose_));
  context.dump.add(prefix + "y", input_.view().slice(0, context.plan.latent[0], input_->shape[0]));
}

/// Without the reference's frame.
DecodeTask AnimateClips::decoding(const StageContext& context, const Tensor& x) {
  const Plan& plan = context.plan;
  Backend& device = context.device();
  branches_.clear();
  faces_.clear();
  animate_.reset();
  Shape shape = plan.latent;
  shape[1] -= 1;
  latent_ = device.allocate(DType::kF32, shape, "latent to decode");
  device.copy(x.view().slice(1, 1, plan.latent[1]), latent_);
  const int64_t dropped = plan.dropped_of(context.clip);
  pixels_ = device.allocate(DType::kF32, {3, plan.clip.frames - dropped, plan.height, plan.width}, "clip's frames");
  return {latent_, dropped, pixels_, plan.frames_of(context.clip)};
}

void AnimateClips::end_clip(const StageContext& context) {
  const Plan& plan = context.plan;
  Backend& device = context.device();
  const int64_t frames = pixels_->shape[1], kept = plan.clip.context_frames;
  if (context.clip + 1 < plan.clips) {
    if (context_.empty())
      context_ = device.allocate(DType::kF32, {3, kept, plan.height, plan.width}, "frames before the clip");
    device.copy(pixels_.view().slice(1, frames - kept, frames), context_);
    device.synchronize();
  }
  shown_.add(context, pixels_);
  latent_.reset();
  pixels_.reset();
}

}  // namespace

std::unique_ptr<ClipSource> make_animate_clips() { return std::make_unique<AnimateClips>(); }

}  // namespace wan
