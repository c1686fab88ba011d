#include "suite/decided.h"

#include <array>
#include <optional>

#include "pipeline/request_words.h"

namespace wan::suite {
namespace {

/// How each residency is recorded, and asked for.
struct ResidencyWords {
  Residency residency;
  std::string_view word;
  Offload offload;
};
constexpr std::array<ResidencyWords, 3> kResidencies{{{Residency::kResident, "resident", Offload::kNone},
                                                      {Residency::kStream, "stream", Offload::kStream},
                                                      {Residency::kMapped, "mapped", Offload::kMapped}}};

std::string_view residency_word(Residency residency) {
  for (const ResidencyWords& row : kResidencies)
    if (row.residency == residency) return row.word;
  return "?";
}

std::optional<Offload> offload_of(const Execution& execution) {
  for (const ResidencyWords& row : kResidencies)
    if (row.word == execution.residency) return row.offload;
  return std::nullopt;
}

}  // namespace

std::string_view precision_word(DType type) { return enum_name(precision_of(type)); }

Execution execution_of(const Plan& plan) {
  Execution out;
  out.device = plan.device_name;
  out.device_count = plan.device_count;
  out.residency = residency_word(plan.memory.dit_residency);
  const bool text_apart = plan.text_encoder_device != plan.device;
  out.computed = {{"dit", std::string(precision_word(plan.compute))},
                  {"text_encoder", std::string(precision_word(text_apart ? DType::kBF16 : plan.compute))},
                  {"vae", std::string(precision_word(plan.vae_compute))}};
  out.stored = plan.stored;
  out.overlap = enum_name(plan.overlap);
  out.vae_chunk = plan.memory.vae_chunk;
  out.vae_slice = plan.memory.vae_slice;
  out.text_encoder_device = plan.text_encoder_device == "cpu" ? "cpu" : "cuda";
  out.kernel_table = plan.kernel_table;
  out.solver = enum_name(plan.solver);
  out.timesteps.assign(plan.schedule.timesteps.begin(), plan.schedule.timesteps.end());
  out.low_noise_from_step = plan.low_noise_from_step();
  out.cpu_threads = plan.cpu_threads;
  return out;
}

std::string_view offload_word(const Execution& execution) {
  const auto offload = offload_of(execution);
  return offload ? enum_name(*offload) : std::string_view();
}

void ask_for(Request& request, const Execution& execution) {
  if (const auto offload = offload_of(execution)) request.offload = *offload;
  request.vae_chunk = execution.vae_chunk;
  request.vae_slice = execution.vae_slice;
}

}  // namespace wan::suite
