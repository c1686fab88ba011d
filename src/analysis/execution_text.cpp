#include "analysis/execution_text.h"

#include <fmt/format.h>

#include "base/memory_size.h"

namespace wan {
namespace {

std::string why_unknown(const std::string& reason) {
  if (reason == "not_recorded") return "not recorded: the record is older than the fields for it";
  if (reason == "external_program" || reason == "imported") return "not recorded: another program decided it";
  return "not known: " + reason;
}

std::string components(const Execution& execution) {
  std::string text;
  for (const auto& [component, computed] : execution.computed) {
    const auto stored = execution.stored.find(component);
    text += fmt::format(", {} {}", component, computed);
    if (stored != execution.stored.end()) text += " of " + stored->second;
  }
  return text;
}

}  // namespace

std::string execution_text(const Measured<Execution>& execution) {
  if (!execution.has()) return why_unknown(execution.reason);
  const Execution& e = *execution.value;
  std::string text = fmt::format("weights {}{}, text encoded on {}, {} latent frame{} decoded at a time", e.residency,
                                 components(e), e.text_encoder_device, e.vae_chunk, e.vae_chunk == 1 ? "" : "s");
  if (e.vae_slice > 0) text += fmt::format(", its last level {} frame{}", e.vae_slice, e.vae_slice == 1 ? "" : "s");
  if (e.gpu_memory_limit_bytes)
    text += fmt::format(", GPU memory limited to {}", MemorySize{*e.gpu_memory_limit_bytes}.text());
  if (e.step_cache)
    text += fmt::format(", step cache {} of threshold {}", e.step_cache->method, e.step_cache->threshold);
  if (e.cfg_gate_from_step) text += fmt::format(", guidance gate from step {}", *e.cfg_gate_from_step + 1);
  if (e.ranks > 1) text += fmt::format(", {} ranks ({})", e.ranks, e.parallel);
  if (e.overlap == "off") text += ", loading apart from computing";
  if (!e.kernel_table.empty()) text += ", kernel table " + e.kernel_table;
  text += fmt::format(", {} host thread{}", e.cpu_threads, e.cpu_threads == 1 ? "" : "s");
  for (const auto& [name, value] : e.environment) text += fmt::format(", {}={}", name, value);
  return text;
}

}  // namespace wan
