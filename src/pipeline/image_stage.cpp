#include "pipeline/image_stage.h"

#include <vector>

#include <fmt/format.h>

#include "base/error.h"
#include "comm/dry.h"
#include "io/resize.h"
#include "model/cost.h"

namespace wan {
namespace {

Size size_of(const Image& image) { return {image.width, image.height}; }

/// An image at the video's size, [3, height, width].
std::vector<float> fitted(const Image& image, const Plan& plan) {
  const Size size{static_cast<int>(plan.width), static_cast<int>(plan.height)};
  if (plan.variant->image.fit == ImageFit::kCover) return to_planes(fit_covering(image, size));
  return resize_bicubic(to_planes(image), 3, size_of(image), size);
}

/// F32 [3, frames, height, width] on the device: the first frame, the last where there is one, zeros between. The zeros
/// are made there: those of 81 frames are hundreds of megabytes that no link has to carry.
Tensor conditioning_pixels(Backend& device, const Plan& plan) {
  const int64_t frames = plan.encoded_frames();
  Tensor pixels = device.allocate(DType::kF32, {3, frames, plan.height, plan.width}, "conditioning pixels");
  device.fill_zero(pixels);
  const auto put = [&](int64_t frame, const Image& image) {
    const Tensor planes = host_tensor(fitted(image, plan), {3, 1, plan.height, plan.width});
    device.upload(planes, pixels.view().slice(1, frame, frame + 1));
  };
  put(0, plan.image);
  // The last frame is seen as the first is: the part with the first one's proportions, then the same resize.
  if (plan.has_last_image()) put(frames - 1, crop_to_proportions(plan.last_image, size_of(plan.image)));
  return pixels;
}

}  // namespace

PixelEncoder::PixelEncoder(const StageContext& context, DType compute)
    : device_(context.device()), set_(context.models.set), compute_(compute), ranks_(context.ranks) {
  if (ranks_ == nullptr || ranks_->has_columns())
    vae_.emplace(device_, set_.vae, *context.models.vae_source, set_.vae_file(), compute, Vae::Parts::kEncoder);
}

void PixelEncoder::encode(TensorView pixels, TensorView latent) {
  if (vae_) encode_columns(pixels, latent);
  if (ranks_ == nullptr || latent.shape[3] >= ranks_->all.size()) return;
  // To those that have no columns.
  const bool is_first = ranks_->all.rank() == 0;
  std::vector<TensorView> of_first(static_cast<size_t>(ranks_->all.size()));
  of_first.front() = latent;
  ranks_->all.all_gather(is_first ? latent : TensorView{}, of_first, "broadcast of the latent");
}

void PixelEncoder::encode_columns(TensorView pixels, TensorView latent) {
  const int64_t chunk_frames = set_.vae.traits().stride_temporal;
  Communicator* const columns = ranks_ != nullptr ? ranks_->columns.get() : nullptr;
  const auto counted = columns != nullptr ? make_dry_communicator(columns->size(), columns->rank()) : nullptr;
  Arena dry = Arena::dry();
  const auto counter = make_dry_backend(device_.history_memory(compute_));
  Vae shapes(*counter, set_.vae, WeightSource::shapes_only(), set_.vae_file(), compute_, Vae::Parts::kEncoder);
  shapes.encode(pixels, chunk_frames, dry, latent, counted.get());
  const Tensor block = device_.allocate(DType::kU8, {static_cast<int64_t>(dry.peak())}, "VAE encoder activations");
  Arena arena(block);
  vae_->encode(pixels, chunk_frames, arena, latent, columns);
  device_.synchronize();
}

void encode_pixels(const StageContext& context, TensorView pixels, TensorView latent) {
  // One frame costs nothing and conditions the whole video: it is encoded in F32, as the official program does.
  PixelEncoder(context, pixels.shape[1] == 1 ? DType::kF32 : context.plan.vae_compute).encode(pixels, latent);
}

namespace {

/// Behind the noise: mask channels, a frame of the video each that a latent frame stands for, 1 where that frame is
/// given; then the encoded conditioning video. The first latent frame stands for the first frame alone, which has all
/// its channels; the last frame is the last of those that the last latent frame stands for. Source: Wan2.1
/// wan/first_last_frame2video.py, generate; diffusers' WanImageToVideoPipeline.prepare_latents.
Tensor appended_channels(const StageContext& context, const Tensor& latent) {
  const Plan& plan = context.plan;
  const DitConfig& dit = context.models.set.dit;
  Backend& device = context.device();
  Shape input = plan.latent;
  input[0] = dit.in_dim;
  Tensor model_input = device.allocate(DType::kF32, input, "model input");
  device.fill_zero(model_input);
  const int64_t z = plan.latent[0], mask = context.models.set.vae.traits().stride_temporal;
  require(dit.in_dim == 2 * z + mask,
          fmt::format("an image-to-video DiT takes {} channels, this one {}", 2 * z + mask, dit.in_dim));
  for (int64_t c = 0; c < mask; ++c) device.fill_normal(model_input.view().at(z + c).slice(0, 0, 1), 0, 1.0f, 0.0f);
  const int64_t frames = plan.latent[1];
  if (plan.has_last_image())
    device.fill_normal(model_input.view().at(z + mask - 1).slice(0, frames - 1, frames), 0, 1.0f, 0.0f);
  device.copy(latent, model_input.view().slice(0, z + mask, 2 * z + mask));
  return model_input;
}

}  // namespace

void Conditioning::impose_first_frame(Backend& device, const Tensor& x) const {
  if (!first_frame.empty()) device.copy(first_frame, x.view().slice(1, 0, 1));
}

Conditioning encode_image(const StageContext& context, const Tensor& x) {
  context.enter(StageRole::kVaeEncoding);
  const Models& m = context.models;
  const Plan& plan = context.plan;
  Backend& device = context.device();
  const int64_t frames = plan.encoded_frames();
  context.clock.add_flops(vae_encode_cost(m.set.vae, m.set.vae_file(), frames, plan.height, plan.width));
  const Tensor pixels = conditioning_pixels(device, plan);
  const Shape latent_shape{plan.latent[0], m.set.vae.traits().latent_frames(frames), plan.latent[2], plan.latent[3]};
  Tensor latent = device.allocate(DType::kF32, latent_shape, "conditioning latent");
  encode_pixels(context, pixels, latent);
  context.dump.add("vae.encode0.video", pixels);
  context.dump.add("vae.encode0.latent", latent);
  Conditioning conditioning;
  if (plan.variant->first_frame_is_latent()) {
    conditioning.first_frame = std::move(latent);
    conditioning.impose_first_frame(device, x);
  } else {
    conditioning.model_input = appended_channels(context, latent);
  }
  return conditioning;
}

}  // namespace wan
