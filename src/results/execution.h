// What the engine decided before it began: every choice that the request left open, as it was made. Two runs whose
// execution differs in any field share no estimate. The keys are listed in fields.h.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace wan {

/// How steps are reused: the choice of --step-cache with what the request left open. Since 1.7.
struct StepCacheUse {
  std::string method;  // magcache, easycache
  double threshold = 0;
  std::optional<int64_t> max_skips;  // magcache's, as the next but one and its steps
  double retention = 0;
  std::string curve_sha256;
  std::optional<int64_t> curve_steps;  // that the curve was made for
  bool operator==(const StepCacheUse&) const = default;
};

/// What of the DiT's blocks is computed in 8 bits. Since 1.9.
struct QuantizedUse {
  std::string products;      // words of --quantize
  int64_t whole_blocks = 0;  // first and last blocks that are not, and steps
  int64_t whole_steps = 0;
  bool operator==(const QuantizedUse&) const = default;
};

/// Words and numbers only; nothing that tells one card from another of its kind, and no path.
struct Execution {
  std::string device;                           // what computes: the card's or the processor's name
  int64_t device_count = 1;                     // cards, or 1 for the CPU
  int64_t ranks = 1;                            // that share the video. Since 1.9, as the next
  std::string parallel;                         // how: cfg=C,ulysses=U; empty: one rank
  std::string residency;                        // of the DiT's weights: resident, stream, mapped
  std::map<std::string, std::string> computed;  // component (dit, text_encoder, vae) -> fp32, bf16, int8
  std::map<std::string, std::string> stored;    // component -> element types of its matrices in the file, "random"
  std::string overlap;                          // on: weights load beside the computing; off
  int64_t vae_chunk = 0;                        // latent frames decoded at a time
  int64_t vae_slice = 0;                        // frames the decoder's last level takes at a time; 0: all of a chunk
  std::string text_encoder_device;              // cpu, cuda
  /// That the process was to keep to; empty: none. Since 1.5.
  std::optional<uint64_t> gpu_memory_limit_bytes;
  std::string kernel_table;                    // digest of the table that chooses matrix kernels; empty: there is none
  std::string solver;                          // unipc, dpm++, euler
  std::vector<double> timesteps;               // of each step, as the DiT is told
  std::optional<int64_t> low_noise_from_step;  // first step of the low-noise expert; empty: one expert
  int64_t cpu_threads = 0;                     // that compute or convert on the host
  std::optional<StepCacheUse> step_cache;      // empty: none. Since 1.7, as the next
  std::optional<int64_t> cfg_gate_from_step;   // first step whose guidance may take an earlier difference; empty: none
  std::optional<QuantizedUse> quantized;       // empty: nothing. Since 1.9
  std::map<std::string, std::string> environment;  // variables that the engine and its libraries read, where set
  bool operator==(const Execution&) const = default;
};

}  // namespace wan
