#include "pipeline/decode_stage.h"

#include <algorithm>
#include <cmath>
#include <span>

#include <fmt/format.h>

#include "base/error.h"
#include "model/cost.h"

namespace wan {
namespace {

/// Throws when the denoised latent cannot be a video: some value is not finite, or all are one. What went wrong in any
/// activation before ends up here.
void check_latent(std::span<const float> latent) {
  const auto broken = std::count_if(latent.begin(), latent.end(), [](float value) { return !std::isfinite(value); });
  if (broken > 0)
    throw Error(fmt::format(
        "after the last step {} of the latent's {} values are not finite: the weights are damaged, or "
        "this precision does not hold them, or a LoRA is too strong; try --precision fp32, or smaller strengths",
        broken, latent.size()));
  if (std::all_of(latent.begin(), latent.end(), [&](float value) { return value == latent.front(); }))
    throw Error(fmt::format("after the last step the latent's {} values are all {}: the weights are damaged",
                            latent.size(), latent.front()));
}

}  // namespace

void DecodeStage::run() {
  Models& m = context_.models;
  load_vae(context_);
  const Shape& latent = task_.latent.shape;
  context_.clock.add_flops(vae_decode_cost(m.set.vae, m.set.vae_file(), latent[1], latent[2], latent[3]));
  context_.dump.add("vae.decode.latent", task_.latent);
  allocate();
  for (int64_t done = 0; done < latent[1];) {
    context_.check_stop();
    const int64_t count = std::min(m.memory.vae_chunk, latent[1] - done);
    decode_chunk(done, count);
    done += count;
  }
  hand_over();
  m.vae->end_decode();
  if (!dumped_video_.empty()) context_.dump.add("vae.decode.video", dumped_video_);
  report_memory(context_, nullptr, arena_block_->bytes());
  arena_block_.reset();
}

void DecodeStage::allocate() {
  const MemoryPlan& memory = context_.models.memory;
  Vae& vae = *context_.models.vae;
  Backend& backend = device();
  arena_block_ = backend.allocate(DType::kU8, {static_cast<int64_t>(memory.vae_arena)}, "VAE activations");
  arena_ = Arena(arena_block_);
  vae.set_slice_frames(memory.vae_slice);
  vae.begin_decode(plan_.latent[2], plan_.latent[3], memory.vae_passes_histories ? memory.vae_chunk : 0,
                   context_.ranks != nullptr ? context_.ranks->columns.get() : nullptr);
  if (sink_ != nullptr) allocate_frames();
}

void DecodeStage::allocate_frames() {
  const MemoryPlan& memory = context_.models.memory;
  const Vae& vae = *context_.models.vae;
  Backend& backend = device();
  latent_ = backend.download(task_.latent);
  const Shape frame_shape{vae.frames_of(memory.vae_chunk, false), plan_.height, plan_.width, 3};
  for (size_t i = 0; i < 2; ++i) {
    on_device_[i] = backend.allocate(DType::kU8, frame_shape, "decoded frames");
    on_host_[i] = backend.allocate_pinned(DType::kU8, frame_shape, "decoded frames");
  }
  if (context_.dump.is_on() && task_.pixels.empty()) {
    dumped_video_ = backend.allocate(DType::kF32, {3, plan_.num_frames, plan_.height, plan_.width}, "dumped video");
    task_.pixels = dumped_video_;
  }
}

/// The chunk's last `frames` frames, behind those kept before.
void DecodeStage::keep_pixels(TensorView decoded, int64_t frames) {
  if (task_.pixels.empty() || frames == 0) return;
  const int64_t all = decoded.shape[0], kept = frames_done_ + all - frames - task_.skipped;
  device().channels_to_pixels(decoded.slice(0, all - frames, all), context_.models.set.vae.patch(),
                              task_.pixels.slice(1, kept, kept + frames));
}

/// Latent frames [done, done + count).
void DecodeStage::decode_chunk(int64_t done, int64_t count) {
  Vae& vae = *context_.models.vae;
  Backend& backend = device();
  const int64_t patch = context_.models.set.vae.patch();
  const int64_t frames = vae.frames_of(count, done == 0);
  const size_t half = static_cast<size_t>(chunks_done_++ % 2);
  const ArenaScope scope(arena_);
  const TensorView pixels = vae.decode_chunk(task_.latent.slice(1, done, done + count), arena_);
  if (sink_ == nullptr) return;
  const TensorView rgb = on_device_[half].view().slice(0, 0, frames);
  backend.channels_to_rgb8(pixels, patch, rgb);
  const int64_t wanted = std::clamp<int64_t>(frames_done_ + frames - task_.skipped, 0, frames);
  keep_pixels(pixels, wanted);
  const TensorView host = on_host_[half].view().slice(0, 0, frames);
  backend.copy_bytes(rgb, host, Queue::kCompute);
  const Event copied = backend.record(Queue::kCompute);
  if (done == 0) check_latent({latent_->as<float>(), static_cast<size_t>(latent_->count())});
  hand_over();                                                 // the chunk before, while this one computes
  const int64_t seen = frames_done_ + frames - task_.skipped;  // with this chunk, of the frames behind the skipped ones
  const int64_t cut = task_.shown > 0 ? std::clamp<int64_t>(seen - task_.shown, 0, wanted) : 0;
  if (wanted > cut) pending_ = Pending{host.slice(0, frames - wanted, frames - cut), copied};
  frames_done_ += frames;
}

void DecodeStage::hand_over() {
  if (!pending_) return;
  device().synchronize(pending_->copied);
  sink_->push(pending_->frames);
  pending_.reset();
}

}  // namespace wan
