// The denoising loop and what follows it: decoding chunk by chunk, and closing the outputs.
#include <algorithm>
#include <array>
#include <cmath>

#include <fmt/format.h>

#include "base/error.h"
#include "model/cost.h"
#include "pipeline/generation.h"
#include "sampler/guidance.h"

namespace wan {
namespace {

/// Throws when the denoised latent cannot be a video: some value is not finite, or all are one. What went wrong in any
/// activation before ends up here.
void check_latent(std::span<const float> latent) {
  const auto broken = std::count_if(latent.begin(), latent.end(), [](float value) { return !std::isfinite(value); });
  if (broken > 0)
    throw Error(
        fmt::format("after the last step {} of the latent's {} values are not finite: the weights are damaged, or "
                    "this precision does not hold them; try --precision fp32",
                    broken, latent.size()));
  if (std::all_of(latent.begin(), latent.end(), [&](float value) { return value == latent.front(); }))
    throw Error(fmt::format("after the last step the latent's {} values are all {}: the weights are damaged",
                            latent.size(), latent.front()));
}

/// Of a component's name in the memory account.
std::string suffix_of(DType compute) { return compute == DType::kBF16 ? ".bf16" : ".fp32"; }

Tensor as_host(std::span<const float> values) { return host_tensor(values, {static_cast<int64_t>(values.size())}); }

}  // namespace

TensorView Engine::Generation::call_dit(LoadedExpert& expert, int step, TextContext& text, TensorView velocity,
                                        int call) {
  const bool image_rows = !first_frame_.empty();
  const bool probing = dump_ && request_.dump_level == DumpLevel::kBlocks && step == 0;
  TensorView input = x_;
  if (!model_input_.empty()) {
    device().copy(x_, model_input_.view().slice(0, 0, plan_.latent[0]));
    input = model_input_;
  }
  Dit::Call arguments{input, step + 1, image_rows ? 0 : -1, &expert.times, &text, nullptr};
  if (probing) {
    dump_->set_prefix(fmt::format("dit.call{}.", call));
    const std::string prefix = fmt::format("dit.call{}.", call);
    const double t = expert.times.timesteps[static_cast<size_t>(step) + 1];
    const PatchGrid grid = plan_.grid();
    if (plan_.variant->first_frame_is_latent()) {  // the official model is told a timestep for each token
      std::vector<float> per_token(static_cast<size_t>(grid.tokens()), static_cast<float>(t));
      if (image_rows) std::fill_n(per_token.begin(), grid.rows * grid.columns, 0.0f);
      dump_->add(prefix + "t", host_tensor(per_token, {1, grid.tokens()}));
    } else {
      const std::array<float, 1> scalar{static_cast<float>(t)};
      dump_->add(prefix + "t", as_host(scalar));
    }
    dump_->add(prefix + "x", input);
    dump_->add(prefix + "context", text_rows_[static_cast<size_t>(call)]);
    if (call == 0) {
      arguments.probe = dump_.get();
      dump_->add_per_token("time_embedding", expert.times.e, step + 1, arguments.first_frame_row);
      dump_->add_per_token("time_projection", expert.times.e0, step + 1, arguments.first_frame_row);
    }
  }
  expert.dit->forward(arguments, *expert.blocks, arena_, velocity);
  if (probing) dump_->add(fmt::format("dit.call{}.out", call), velocity);
  return velocity;
}

/// What it takes is part of the current stage's exposed wait for weights.
void Engine::Generation::load_vae() {
  if (models_->vae) return;
  const Event begin = device().record(Queue::kCompute);
  models_->load_vae(plan_);
  clock_->add_waits({{begin, device().record(Queue::kCompute), 0}});
}

void Engine::Generation::denoise_step(int step, Sampler& sampler) {
  Models& m = *models_;
  const size_t index = plan_.expert_of(step);
  LoadedExpert& expert = m.experts[index];
  clock_->enter(Stage::kStepInference, step);
  check_interrupt();
  // The DiT is still on its way and the device idle: the VAE comes now, when its small kernels wait for nobody.
  if (step == 0 && plan_.device != "cpu") load_vae();
  if (!expert.dit || expert.positive.embedded.empty()) embed_prompts(expert);
  const DitCost cost = dit_cost(m.set.dit, plan_.grid().tokens());
  clock_->add_flops(2 * cost.total());
  if (dump_) dump_->add(fmt::format("step{}.sample_in", step), x_);
  call_dit(expert, step, expert.positive, velocity_positive_, 0);
  clock_->mark("cond");
  // The first expert has all its weights by now: the second one's follow, with all threads, while this one computes.
  if (const size_t last = plan_.expert_of(plan_.steps - 1); last != index) start_expert(last);
  // Its first layers reach the card while this one computes its last step.
  if (step + 1 < plan_.steps && plan_.expert_of(step + 1) != index)
    m.experts[plan_.expert_of(step + 1)].blocks->prefetch();
  call_dit(expert, step, expert.negative, velocity_negative_, 1);
  clock_->mark("uncond");
  guide(device(), velocity_positive_, velocity_negative_, static_cast<float>(plan_.guidance_of(step)),
        velocity_positive_);
  if (dump_) dump_->add(fmt::format("step{}.noise_pred", step), velocity_positive_);
  sampler.step(step, velocity_positive_, x_);
  if (dump_) dump_->add(fmt::format("step{}.sample_out", step), x_);  // as the sampler leaves it
  impose_first_frame();
  clock_->mark("solver");
  clock_->add_waits(expert.blocks->take_waits());
  clock_->add_copies(expert.blocks->take_copies());
  report_fills();
  report_memory(Stage::kStepInference, step);
}

/// Page-locking and filling host memory for streamed weights happens beside the stages and may end in any of them.
void Engine::Generation::report_fills() {
  for (LoadedExpert& expert : models_->experts) {
    const std::optional<HostInterval> fill = expert.blocks ? expert.blocks->take_fill() : std::nullopt;
    if (!fill) continue;
    StageSpan span;
    span.stage = clock_->stage();
    span.index = clock_->index();
    span.component = "page_lock_and_fill";
    span.hidden = true;
    span.begin_ns = fill->begin_ns;
    span.end_ns = fill->end_ns;
    span.bytes = fill->bytes;
    observer_.on_span(span);
  }
}

void Engine::Generation::denoise() {
  Models& m = *models_;
  Backend& backend = device();
  velocity_positive_ = backend.allocate(DType::kF32, plan_.latent, "velocity");
  velocity_negative_ = backend.allocate(DType::kF32, plan_.latent, "velocity");
  const auto sampler = make_sampler(solver_kind(plan_.solver), plan_.schedule, plan_.latent, backend);
  arena_block_ = backend.allocate(DType::kU8, {static_cast<int64_t>(m.memory.dit_arena)}, "DiT activations");
  arena_ = Arena(arena_block_);
  for (LoadedExpert& expert : m.experts) {
    expert.positive = {};
    expert.negative = {};
  }
  if (m.memory.dit_residency != Residency::kResident)
    for (size_t e = 0; e < m.experts.size(); ++e) {
      int passes = 0;
      for (int i = 0; i < plan_.steps; ++i) passes += plan_.expert_of(i) == e ? 2 : 0;
      m.experts[e].blocks->expect_passes(passes);
    }
  if (dump_) {
    std::vector<float> timesteps(plan_.schedule.timesteps.begin(), plan_.schedule.timesteps.end());
    dump_->add("timesteps", as_host(timesteps));
    dump_->add("sigmas", as_host(plan_.schedule.sigmas));
  }
  for (int step = 0; step < plan_.steps; ++step) {
    denoise_step(step, *sampler);
    clock_->poll();
    clock_->bound_run_ahead();
  }
}

void Engine::Generation::decode() {
  clock_->enter(Stage::kVaeDecoding);
  check_interrupt();
  Models& m = *models_;
  Backend& backend = device();
  backend.synchronize();
  arena_block_.reset();
  velocity_positive_.reset();
  velocity_negative_.reset();
  if (m.memory.dit_residency == Residency::kStream && request_.dump.empty()) {
    for (const LoadedExpert& expert : m.experts) expert.blocks->release_slots();
  }
  for (LoadedExpert& expert : m.experts) {
    expert.positive = {};
    expert.negative = {};
  }
  load_vae();
  clock_->add_flops(vae_decode_cost(m.set.vae, m.set.vae_file(), plan_.latent[1], plan_.latent[2], plan_.latent[3]));
  if (dump_) dump_->add("vae.decode.latent", x_);
  Vae& vae = *m.vae;
  const int64_t chunk = m.memory.vae_chunk;
  arena_block_ = backend.allocate(DType::kU8, {static_cast<int64_t>(m.memory.vae_arena)}, "VAE activations");
  arena_ = Arena(arena_block_);
  vae.set_slice_frames(m.memory.vae_slice);
  vae.begin_decode(plan_.latent[2], plan_.latent[3]);
  const Tensor latent = backend.download(x_);
  const Shape frame_shape{vae.frames_of(chunk, false), plan_.height, plan_.width, 3};
  std::array<Tensor, 2> on_device, on_host;
  for (int i = 0; i < 2; ++i) {
    on_device[static_cast<size_t>(i)] = backend.allocate(DType::kU8, frame_shape, "decoded frames");
    on_host[static_cast<size_t>(i)] = backend.allocate_pinned(DType::kU8, frame_shape, "decoded frames");
  }
  Tensor video;  // only for a dump
  if (dump_) video = backend.allocate(DType::kF32, {3, plan_.num_frames, plan_.height, plan_.width}, "dumped video");
  struct Pending {
    TensorView frames;
    Event copied;
  };
  std::optional<Pending> pending;
  const auto hand_over = [&] {
    if (!pending) return;
    backend.synchronize(pending->copied);
    sink_->push(pending->frames);
    pending.reset();
  };
  int64_t frames_done = 0;
  for (int64_t done = 0, turn = 0; done < plan_.latent[1]; ++turn) {
    check_interrupt();
    const int64_t count = std::min(chunk, plan_.latent[1] - done);
    const int64_t frames = vae.frames_of(count, done == 0);
    const size_t half = static_cast<size_t>(turn % 2);
    const ArenaScope scope(arena_);
    const TensorView pixels = vae.decode_chunk(x_.view().slice(1, done, done + count), arena_);
    const TensorView rgb = on_device[half].view().slice(0, 0, frames);
    backend.channels_to_rgb8(pixels, m.set.vae.patch(), rgb);
    if (dump_)
      backend.channels_to_pixels(pixels, m.set.vae.patch(), video.view().slice(1, frames_done, frames_done + frames));
    const TensorView host = on_host[half].view().slice(0, 0, frames);
    backend.copy_bytes(rgb, host, Queue::kCompute);
    const Event copied = backend.record(Queue::kCompute);
    if (done == 0) check_latent({latent->as<float>(), static_cast<size_t>(latent->count())});
    hand_over();  // the chunk before, while this one computes
    pending = Pending{host, copied};
    done += count;
    frames_done += frames;
  }
  hand_over();
  vae.end_decode();
  if (dump_) dump_->add("vae.decode.video", video);
  report_memory(Stage::kVaeDecoding, -1);
  arena_block_.reset();
}

Outcome Engine::Generation::finish() {
  clock_->enter(Stage::kOutputEncoding);
  Outcome outcome;
  outcome.task = plan_.variant->task;
  outcome.width = plan_.width;
  outcome.height = plan_.height;
  outcome.num_frames = plan_.num_frames;
  outcome.fps = plan_.fps;
  outcome.steps = plan_.steps;
  outcome.video_sha256 = sink_->finish();
  if (dump_) dump_->write(request_.dump);
  clock_->finish();
  observer_.on_fact("video_sha256", outcome.video_sha256);
  return outcome;
}

void Engine::Generation::report_memory(Stage stage, int index) {
  const Models& m = *models_;
  MemoryMark mark;
  mark.stage = stage;
  mark.index = index;
  uint64_t dit = 0, pinned = 0;
  for (const LoadedExpert& expert : m.experts) {
    if (!expert.started) continue;
    dit += expert.blocks->device_bytes() + expert.stem->device_bytes();
    pinned += expert.blocks->pinned_bytes() + expert.stem->pinned_bytes();
  }
  if (text_store_ && !m.text_backend)
    mark.device_bytes["weights.text_encoder" + suffix_of(plan_.compute)] = text_store_->device_bytes();
  mark.device_bytes["weights.dit" + suffix_of(plan_.compute)] = dit;
  mark.device_bytes["weights.vae" + suffix_of(plan_.vae_compute)] = m.vae ? m.vae->weight_bytes() : 0;
  mark.device_bytes["activations"] = arena_block_.empty() ? 0 : arena_block_->bytes();
  mark.device_bytes["workspace"] = m.backend->internal_bytes();
  if (const auto use = m.backend->take_device_use()) {
    uint64_t named = 0;
    for (const auto& [component, bytes] : mark.device_bytes) named += bytes;
    mark.device_bytes["tensors"] = use->now - std::min(use->now, named);  // latents, text rows, frames
    mark.device_peak_bytes = use->peak;
  }
  mark.host_bytes["pinned"] = pinned;
  observer_.on_memory(mark);
}

}  // namespace wan
