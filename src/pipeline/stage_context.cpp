#include "pipeline/stage_context.h"

#include <algorithm>

#include "base/error.h"

namespace wan {
namespace {

/// Of a component's name in the memory account.
std::string suffix_of(DType compute) { return compute == DType::kBF16 ? ".bf16" : ".fp32"; }

}  // namespace

void StageContext::check_stop() const {
  if (stop != nullptr && stop->stop_requested())
    throw Error(ErrorKind::kInterrupted, "interrupted; no unfinished file is left");
}

void StageContext::enter(StageRole role, int step) const {
  StageId stage{role, step};
  stage.clip = clip;
  if (step >= 0) stage.expert = plan.variant->experts[plan.expert_of(step)].name;
  if (ranks != nullptr) ranks->all.enter_stage(stage_name(stage, plan.variant->task));
  clock.enter(std::move(stage));
  check_stop();
}

void report_memory(const StageContext& context, const LayerStore* text_store, uint64_t activation_bytes) {
  const Models& m = context.models;
  const Plan& plan = context.plan;
  MemoryMark mark;
  mark.stage = context.clock.stage();
  uint64_t dit = 0, pinned = 0;
  for (const LoadedExpert& expert : m.experts) {
    if (!expert.started) continue;
    std::vector<LayerStore*> stores = expert.layer_stores();
    stores.push_back(expert.stem.get());
    if (expert.extension_stem) stores.push_back(expert.extension_stem.get());
    for (const LayerStore* store : stores) {
      dit += store->device_bytes();
      pinned += store->pinned_bytes();
    }
  }
  if (text_store != nullptr && !m.text_backend)
    mark.device_bytes["weights.text_encoder" + suffix_of(plan.compute)] = text_store->device_bytes();
  mark.device_bytes["weights.dit" + suffix_of(plan.compute)] = dit;
  mark.device_bytes["weights.vae" + suffix_of(plan.vae_compute)] = m.vae ? m.vae->weight_bytes() : 0;
  mark.device_bytes["activations"] = activation_bytes;
  mark.device_bytes["workspace"] = m.backend->internal_bytes();
  if (const auto use = m.backend->take_device_use()) {
    uint64_t named = 0;
    for (const auto& [component, bytes] : mark.device_bytes) named += bytes;
    mark.device_bytes["tensors"] = use->now - std::min(use->now, named);  // latents, text rows, frames
    mark.device_peak_bytes = use->peak;
  }
  mark.host_bytes["pinned"] = pinned;
  context.observer.on_memory(mark);
}

void load_vae(const StageContext& context) {
  if (context.models.vae) return;
  const Event begin = context.device().record(Queue::kCompute);
  context.models.load_vae(context.plan);
  context.clock.add_waits({{begin, context.device().record(Queue::kCompute), 0}});
}

}  // namespace wan
