#include "pipeline/memory_needs.h"

#include <algorithm>

#include <fmt/format.h>

#include "base/error.h"
#include "base/threads.h"
#include "model/dit_speech.h"
#include "model/official_layout.h"
#include "pipeline/checkpoint_defaults.h"
#include "pipeline/reuse.h"
#include "pipeline/sampling.h"

namespace wan {
namespace {

constexpr uint64_t kUnlimited = UINT64_MAX / 2;

std::string gib(uint64_t bytes) {
  return fmt::format("{:.1f} GiB", static_cast<double>(bytes) / static_cast<double>(uint64_t{1} << 30));
}

/// Page-locked memory through which the values of an expert's stores go at a time.
uint64_t staging_bytes(const ModelSet& models, DType compute) {
  const LayerStoreOptions options;
  const uint64_t buffers = static_cast<uint64_t>(worker_threads()) + 2;
  uint64_t bytes = 0;
  std::vector<uint64_t> slabs{dit_stem_layout(models.dit, compute).bytes(),
                              dit_block_layout(models.dit, 0, compute).bytes()};
  if (models.dit.speech.injected > 0) {
    slabs.push_back(speech_stem_layout(models.dit, compute).bytes());
    slabs.push_back(speech_injector_layout(models.dit, 0, compute).bytes());
  }
  for (const uint64_t slab : slabs) bytes += buffers * std::min<uint64_t>(slab, options.chunk_bytes);
  return bytes;
}

}  // namespace

uint64_t page_locked_bytes(const ModelSet& models, const Plan& plan, const MemoryPlan& memory) {
  return is_streamed(memory.dit_residency) ? memory.pinned : staging_bytes(models, plan.compute);
}

Plan default_plan(const ModelSet& models, const std::string& device) {
  const Request request = with_defaults({}, models.defaults);
  const Variant& variant = *models.variant;
  const VaeTraits& vae = models.vae.traits();
  Plan plan;
  plan.variant = &variant;
  plan.model = model_name(variant, models.dit);
  plan.from_image = variant.image.presence == Presence::kRequired;
  plan.width = request.width > 0 ? request.width : variant.defaults.size.width;
  plan.height = request.height > 0 ? request.height : variant.defaults.size.height;
  plan.num_frames = request.num_frames > 0 ? request.num_frames : variant.defaults.size.num_frames;
  const int64_t step = variant.side_step();
  require(vae.can_code(plan.num_frames) && plan.width % step == 0 && plan.height % step == 0,
          fmt::format("the checkpoint's own size, {}x{} and {} frames, is none that {} makes: mend its {}", plan.width,
                      plan.height, plan.num_frames, variant.name, kCheckpointDefaultsName));
  plan.fps = variant.defaults.fps;
  choose_sampling(request, plan);
  choose_reuse(request, plan);
  plan.device = plan.text_encoder_device = device;
  plan.compute = plan.vae_compute = device == "cpu" ? DType::kF32 : DType::kBF16;
  if (variant.makes_clips()) {
    plan.clip = {variant.clips.frames, variant.clips.first_dropped};
    plan.clip.context_frames = variant.clips.context_frames;
    plan.clips = 2;  // the second is as large as any
    plan.num_frames = plan.clips * plan.clip.frames - plan.clip.first_dropped - plan.clip.context_frames;
  }
  const int64_t latent_frames =
      variant.makes_clips() ? variant.clip_latents(plan.clip.frames) : vae.latent_frames(plan.num_frames);
  plan.latent = {models.vae.latent_channels, latent_frames, plan.height / vae.stride_spatial,
                 plan.width / vae.stride_spatial};
  return plan;
}

std::vector<MemoryPlan> memory_plans(const ModelSet& models, const Plan& plan, HistoryMemory history) {
  std::vector<Residency> places{Residency::kResident};
  if (plan.device != "cpu") {
    if (is_stored_small(models, plan.compute))
      places.insert(places.end(), {Residency::kPacked, Residency::kPackedStream});
    else
      places.push_back(Residency::kStream);
    places.push_back(Residency::kMapped);
  }
  std::vector<MemoryPlan> plans;
  for (const Residency residency : places) {
    Request request;
    request.offload = offload_of(residency);
    plans.push_back(plan_memory(request, models, plan, history, {kUnlimited, kUnlimited}));
  }
  return plans;
}

std::vector<MemoryNeed> memory_needs(const ModelSet& models, const Plan& plan, HistoryMemory history) {
  std::vector<MemoryNeed> needs;
  for (const MemoryPlan& memory : memory_plans(models, plan, history)) {
    if (plan.device == "cpu")
      needs.push_back({memory.dit_residency, std::nullopt, memory.predicted_peak});
    else
      needs.push_back({memory.dit_residency, memory.predicted_peak, page_locked_bytes(models, plan, memory)});
  }
  return needs;
}

std::string what_is_short(const MemoryNeed& need, const MemoryLimits& limits) {
  if (need.device && *need.device > limits.device_free)
    return fmt::format("of the card's memory {} are free", gib(limits.device_free));
  const uint64_t reserve = is_streamed(need.residency) ? kHostReserveBytes : 0;
  if (need.host + reserve <= limits.host_free) return {};
  return reserve == 0 ? fmt::format("of the host's memory {} are free", gib(limits.host_free))
                      : fmt::format("of the host's memory {} are free, and {} of it are left to the rest",
                                    gib(limits.host_free), gib(reserve));
}

}  // namespace wan
