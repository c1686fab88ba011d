#include "suite/decided.h"

#include <optional>

#include "pipeline/request_words.h"

namespace wan::suite {
namespace {

constexpr const char* kLeftOpen = "decided_while_running";

}  // namespace

std::map<std::string, std::string> computed_words(const Decisions& decisions) {
  std::map<std::string, std::string> words;
  for (const auto& [component, precision] : decisions.computed) words[component] = enum_name(precision);
  return words;
}

PrecisionClass precision_class(const Decisions& decisions) {
  if (!decisions.approximations.empty()) return PrecisionClass::kAltered;
  if (decisions.computed.at("dit") == Precision::kInt8) return PrecisionClass::kDrift;
  const auto is_exact = [&](const char* component) { return decisions.computed.at(component) == Precision::kF32; };
  return is_exact("dit") && is_exact("vae") ? PrecisionClass::kExact : PrecisionClass::kRounding;
}

Execution execution_of(const Decisions& decisions) {
  Execution out;
  out.device = decisions.device_name;
  out.device_count = decisions.device_count;
  out.ranks = decisions.ranks;
  if (decisions.ranks > 1) out.parallel = decisions.parallel;
  out.residency = enum_name(decisions.residency);
  out.computed = computed_words(decisions);
  out.stored = decisions.stored;
  out.overlap = enum_name(decisions.overlap);
  out.vae_chunk = decisions.vae_chunk;
  out.vae_slice = decisions.vae_slice;
  out.text_encoder_device = decisions.text_encoder_device;
  if (decisions.gpu_memory_limit) out.gpu_memory_limit_bytes = decisions.gpu_memory_limit->bytes;
  out.kernel_table = decisions.kernel_table;
  out.solver = enum_name(decisions.solver);
  out.timesteps.assign(decisions.timesteps.begin(), decisions.timesteps.end());
  out.low_noise_from_step = decisions.low_noise_from_step;
  out.cpu_threads = decisions.cpu_threads;
  if (const auto& reuse = decisions.step_cache) {
    out.step_cache = StepCacheUse{reuse->method,    reuse->threshold,    reuse->max_skips,
                                  reuse->retention, reuse->curve_sha256, reuse->curve_steps};
  }
  out.cfg_gate_from_step = decisions.cfg_gate_step;
  if (const auto& quantized = decisions.quantized)
    out.quantized = QuantizedUse{quantized->products, quantized->whole_blocks, quantized->whole_steps};
  return out;
}

ForwardCounts forwards_of(const Forwards& forwards) {
  ForwardCounts out;
  out.planned = forwards.planned ? measured<int64_t>(*forwards.planned, "engine") : absent<int64_t>(kLeftOpen);
  out.computed = forwards.computed;
  out.reused = forwards.reused;
  out.cond = forwards.cond;
  out.uncond = forwards.uncond;
  out.flop_computed = forwards.flop_computed;
  out.flop_skipped = forwards.flop_skipped;
  return out;
}

std::string_view offload_word(const Execution& execution) {
  const std::optional<Residency> residency = enum_value<Residency>(execution.residency);
  return residency ? enum_name(offload_of(*residency)) : std::string_view();
}

void ask_for(Request& request, const Execution& execution) {
  if (const auto residency = enum_value<Residency>(execution.residency)) request.offload = offload_of(*residency);
  request.vae_chunk = execution.vae_chunk;
  request.vae_slice = execution.vae_slice;
}

}  // namespace wan::suite
