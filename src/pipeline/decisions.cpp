#include "pipeline/decisions.h"

#include <algorithm>

#include <fmt/format.h>

#include "base/machine.h"
#include "model/checkpoint.h"
#include "pipeline/plan.h"
#include "pipeline/recipe.h"
#include "pipeline/request_words.h"

namespace wan {
namespace {

std::string text_of(const Decisions::Reuse& reuse) {
  constexpr size_t kDigits = 12;
  std::string text = fmt::format("{}: threshold {}", reuse.method, reuse.threshold);
  if (reuse.max_skips) text += fmt::format(", at most {} in a row", *reuse.max_skips);
  text += fmt::format(", retention {}", reuse.retention);
  if (reuse.curve_sha256.empty()) return text;
  return text + fmt::format(", curve {}", reuse.curve_sha256.substr(0, kDigits));
}

void add_reuse(const Plan& plan, Decisions& out) {
  const StepCachePlan& cache = plan.step_cache;
  if (cache.method != StepCache::kOff) {
    out.step_cache.emplace();
    out.step_cache->method = enum_name(cache.method);
    out.step_cache->threshold = cache.settings.threshold;
    out.step_cache->retention = cache.settings.retention;
    out.step_cache->curve_sha256 = cache.curve_sha256;
    out.step_cache->curve_remark = cache.curve_remark;
    if (cache.method == StepCache::kMagCache) {
      out.step_cache->max_skips = cache.settings.max_skips;
      out.step_cache->curve_steps = static_cast<int64_t>(cache.curve_steps);
    }
  }
  out.cfg_gate_step = plan.cfg_gate_step;
  out.forwards_cond = letters_of_cond(plan.forwards);
  out.forwards_uncond = letters_of_uncond(plan.forwards);
  out.forwards_in_all = 2 * plan.steps - count_of(plan.forwards, Forward::kNone);
  const bool is_open = count_of(plan.forwards, Forward::kOpen) > 0;
  if (!is_open) out.forwards_planned = plan.passes();
  if (is_open || count_of(plan.forwards, Forward::kReused) > 0) out.approximations.push_back(text_of(*out.step_cache));
  if (count_of(plan.forwards, Forward::kGated) > 0)
    out.approximations.push_back(fmt::format("guidance gate from step {} of {}", *plan.cfg_gate_step + 1, plan.steps));
}

}  // namespace

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
  out.clips = plan.clips;
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
  out.computed = {{"dit", plan.quantization.any() ? Precision::kInt8 : precision_of(plan.compute)},
                  {"text_encoder", text_apart ? Precision::kBF16 : precision_of(plan.compute)},
                  {"vae", precision_of(plan.vae_compute)}};
  if (const DitQuantization& quantization = plan.quantization; quantization.any())
    out.quantized = Decisions::Quantized{words_of(quantization), quantization.whole_blocks, quantization.whole_steps};
  out.stored = plan.stored;
  out.loras = plan.loras;
  out.text_encoder_device = plan.text_encoder_device == "cpu" ? "cpu" : "cuda";
  out.overlap = plan.overlap;
  out.gpu_memory_limit = plan.gpu_memory_limit;
  add_reuse(plan, out);
  out.device_name = plan.device_name;
  out.device_count = plan.device_count;
  out.ranks = plan.parallel.ranks();
  out.parallel = plan.parallel.text();
  out.kernel_table = plan.kernel_table;
  out.cpu_threads = plan.cpu_threads;
  out.residency = plan.memory.dit_residency;
  out.vae_chunk = plan.memory.vae_chunk;
  out.vae_slice = plan.memory.vae_slice;
  out.predicted_peak_bytes = plan.memory.predicted_peak;
  return out;
}

Decisions decide(const Request& request) {
  const ModelSet models = open_models(request);
  const Plan plan = make_plan(request, models);
  Decisions out = decisions_of(plan);
  out.stored_small = is_stored_small(models, plan.compute);
  for (const Recipe& recipe : recipes())
    if (recipe.fits(*plan.variant) &&
        std::find(out.recipes.begin(), out.recipes.end(), recipe.name) == out.recipes.end())
      out.recipes.emplace_back(recipe.name);
  return out;
}

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
