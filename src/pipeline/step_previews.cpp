#include "pipeline/step_previews.h"

#include <algorithm>
#include <vector>

#include "backend/seeded.h"

namespace wan {
namespace {

// Pictures of noise in blocks of 2 x 2 are decoded: 16 different latents in each, and colours that are not those of a
// border alone.
constexpr int64_t kSide = 8, kBlock = 2;
constexpr int64_t kPictures = 12;  // 192 latents for at most 49 coefficients
constexpr uint64_t kSeed = 1;

/// F32 [z, 1, kSide, kSide] on the host.
Tensor blocks_of_noise(int64_t channels, int64_t picture) {
  Tensor out = host_tensor(DType::kF32, {channels, 1, kSide, kSide});
  float* value = out->as<float>();
  constexpr int64_t kBlocks = kSide / kBlock;
  for (int64_t c = 0; c < channels; ++c)
    for (int64_t y = 0; y < kSide; ++y)
      for (int64_t x = 0; x < kSide; ++x) {
        const int64_t index = ((picture * channels + c) * kBlocks + y / kBlock) * kBlocks + x / kBlock;
        *value++ = seeded_value(kSeed, static_cast<uint64_t>(index), 0.0f, 1.0f);
      }
  return out;
}

uint64_t arena_bytes(const Models& models, DType compute) {
  const auto dry = make_dry_backend(models.backend->history_memory(compute));
  Vae vae(*dry, models.set.vae, WeightSource::shapes_only(), models.set.vae_file(), compute, Vae::Parts::kDecoder);
  vae.begin_decode(kSide, kSide);
  Arena arena = Arena::dry();
  const Tensor latent = dry->allocate(DType::kF32, {models.set.vae.latent_channels, 1, kSide, kSide}, "latent");
  const ArenaScope scope(arena);
  vae.decode_chunk(latent, arena);
  return arena.peak();
}

}  // namespace

StepPreviews::StepPreviews(const StageContext& context) : context_(context) {
  if (!context_.models.colours) fit();
  const Shape& latent = context_.plan.latent;
  const Shape frame{latent[0], 1, latent[2], latent[3]};
  frame_ = context_.device().allocate(DType::kF32, frame, "preview");
  velocity_ = context_.device().allocate(DType::kF32, frame, "preview");
  on_host_ = context_.device().allocate_pinned(DType::kF32, frame, "preview");
}

void StepPreviews::fit() {
  Models& models = context_.models;
  Backend& device = context_.device();
  const int64_t z = models.set.vae.latent_channels, scale = models.set.vae.traits().stride_spatial;
  const Tensor block =
      device.allocate(DType::kU8, {static_cast<int64_t>(arena_bytes(models, context_.plan.vae_compute))}, "preview");
  const Tensor latent = device.allocate(DType::kF32, {z, 1, kSide, kSide}, "preview");
  const Tensor pixels = device.allocate(DType::kF32, {3, 1, kSide * scale, kSide * scale}, "preview");
  std::vector<float> latents, colours;
  for (int64_t picture = 0; picture < kPictures; ++picture) {
    const Tensor noise = blocks_of_noise(z, picture);
    device.upload(noise, latent);
    Arena arena(block);
    models.vae->begin_decode(kSide, kSide);
    device.channels_to_pixels(models.vae->decode_chunk(latent, arena), models.set.vae.patch(), pixels);
    models.vae->end_decode();
    const Tensor decoded = device.download(pixels);
    for (int64_t at = 0; at < kSide * kSide; ++at) {
      for (int64_t c = 0; c < z; ++c) latents.push_back(noise->as<float>()[c * kSide * kSide + at]);
      for (int64_t c = 0; c < 3; ++c) {
        double sum = 0;  // over the square of pixels that this latent is
        for (int64_t y = 0; y < scale; ++y)
          for (int64_t x = 0; x < scale; ++x)
            sum += decoded->as<float>()[(c * kSide * scale + at / kSide * scale + y) * kSide * scale +
                                        at % kSide * scale + x];
        colours.push_back(static_cast<float>(sum / static_cast<double>(scale * scale)));
      }
    }
  }
  models.colours = fit_colours(latents, colours, z);
}

void StepPreviews::take(int step, TensorView x, TensorView velocity) {
  hand_over();
  Backend& device = context_.device();
  constexpr int64_t kHalf = 2;
  const int64_t middle = context_.plan.latent[1] / kHalf;
  device.copy(x.slice(1, middle, middle + 1), frame_);
  device.copy(velocity.slice(1, middle, middle + 1), velocity_);
  const float sigma = context_.plan.schedule.sigmas[static_cast<size_t>(step)];
  device.combine(std::array{Term{1.0f, frame_}, Term{-sigma, velocity_}}, frame_);  // x0 = x - sigma v
  device.copy_bytes(frame_, on_host_, Queue::kCompute);
  taken_ = Taken{step, device.record(Queue::kCompute)};
  if (context_.plan.device == "cpu") hand_over();  // nothing computes on meanwhile
}

void StepPreviews::hand_over() {
  if (!taken_) return;
  context_.device().synchronize(taken_->copied);
  const Shape& latent = context_.plan.latent;
  Preview preview = context_.models.colours->picture({on_host_->as<float>(), static_cast<size_t>(on_host_->count())},
                                                     latent[2], latent[3]);
  preview.step = taken_->step;
  preview.steps = context_.plan.steps;
  taken_.reset();
  context_.preview->preview(preview);
}

}  // namespace wan
