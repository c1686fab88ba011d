#include "pipeline/decisions.h"

#include "base/machine.h"
#include "model/checkpoint.h"
#include "pipeline/plan.h"

namespace wan {

Decisions decisions_of(const Plan& plan) {
  Decisions out;
  out.model = plan.model;
  out.task = plan.variant->task;
  out.experts = plan.variant->experts.size();
  out.width = plan.width;
  out.height = plan.height;
  out.num_frames = plan.num_frames;
  out.fps = plan.fps;
  out.recipe = plan.recipe->name;
  out.steps = plan.steps;
  out.shift = plan.shift;
  out.guidance_low = plan.guidance_low;
  out.guidance_high = plan.guidance_high;
  out.boundary = plan.boundary;
  out.split_step = plan.split_step;
  out.solver = plan.solver;
  out.prompt = plan.prompt;
  out.negative_prompt = plan.negative_prompt;
  out.timesteps = plan.schedule.timesteps;
  out.low_noise_from_step = plan.low_noise_from_step();
  const bool text_apart = plan.text_encoder_device != plan.device;
  out.computed = {{"dit", precision_of(plan.compute)},
                  {"text_encoder", text_apart ? Precision::kBF16 : precision_of(plan.compute)},
                  {"vae", precision_of(plan.vae_compute)}};
  out.stored = plan.stored;
  out.loras = plan.loras;
  out.text_encoder_device = plan.text_encoder_device == "cpu" ? "cpu" : "cuda";
  out.overlap = plan.overlap;
  out.gpu_memory_limit = plan.gpu_memory_limit;
  out.device_name = plan.device_name;
  out.device_count = plan.device_count;
  out.kernel_table = plan.kernel_table;
  out.cpu_threads = plan.cpu_threads;
  out.residency = plan.memory.dit_residency;
  out.vae_chunk = plan.memory.vae_chunk;
  out.vae_slice = plan.memory.vae_slice;
  out.predicted_peak_bytes = plan.memory.predicted_peak;
  return out;
}

Decisions decide(const Request& request) { return decisions_of(make_plan(request, open_models(request))); }

void require_fits_card(const Request& request, uint64_t card_bytes) {
  const ModelSet models = open_models(request);
  const Plan plan = make_plan(request, models);
  // What is free now is not asked: another program may end before this one begins.
  const MemoryLimits limits{card_bytes, available_host_bytes(), card_bytes, total_host_bytes()};
  plan_memory(request, models, plan, HistoryMemory::kApart, limits);  // the smaller need of the two
}

bool holds_model(const std::filesystem::path& checkpoint, std::string_view model) {
  return open_checkpoint(checkpoint).variant == &variant_named(model);
}

}  // namespace wan
