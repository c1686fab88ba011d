// What was decided for a request, in words and numbers: for those who plan, keep or compare runs and know no tensor.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "pipeline/lora_use.h"
#include "pipeline/request.h"
#include "pipeline/residency.h"

namespace wan {

struct Plan;

struct Decisions {
  std::string model, task;  // names of the family's table; a model of other sizes is named after them
  size_t experts = 1;
  int64_t width = 0, height = 0, num_frames = 0;
  double fps = 0;
  std::string recipe;  // of the table in recipe.h
  int steps = 0;
  int64_t clips = 1;                           // each of as many steps
  std::optional<double> shift;                 // nullopt: the recipe has none
  double guidance_low = 0, guidance_high = 0;  // the second of several experts only
  double boundary = 0;
  std::optional<int64_t> split_step;  // Plan::split_step
  Solver solver = Solver::kUniPC;
  std::string prompt, negative_prompt;
  std::vector<double> timesteps;
  std::optional<int64_t> low_noise_from_step;  // Plan::low_noise_from_step
  std::map<std::string, Precision> computed;   // component -> what it computes in: dit, text_encoder, vae
  std::map<std::string, std::string> stored;   // component -> Plan::stored
  // Of `decide` alone: whether the DiT's file is in a form smaller than what is computed in, and the recipes for the
  // model.
  bool stored_small = false;
  std::vector<std::string> recipes;
  std::vector<LoraUse> loras;       // in the order in which they are added
  std::string text_encoder_device;  // cpu or cuda
  Overlap overlap = Overlap::kOn;
  std::optional<MemorySize> gpu_memory_limit;  // Request::gpu_memory_limit

  // What is reused instead of computed.
  struct Reuse {
    std::string method;  // word of --step-cache
    double threshold = 0;
    std::optional<int> max_skips;  // magcache's, as the next two
    double retention = 0;
    std::string curve_sha256;
    std::optional<int64_t> curve_steps;  // that the curve was made for; of another number it is stretched
    std::string curve_remark;            // StepCachePlan::curve_remark
  };
  std::optional<Reuse> step_cache;
  /// What of the DiT's blocks runs in 8 bits.
  struct Quantized {
    std::string products;  // words of --quantize
    int64_t whole_blocks = 0, whole_steps = 0;
  };
  std::optional<Quantized> quantized;
  std::optional<int> cfg_gate_step;            // first step whose guidance may take an earlier one's difference
  std::string forwards_cond, forwards_uncond;  // a letter a step: forward_schedule.h
  std::optional<int> forwards_planned;         // to be computed; nothing where that is left open
  int forwards_in_all = 0;                     // that a video without reuse computes
  std::vector<std::string> approximations;     // what makes the video another, in words; empty: nothing does

  // Known once the devices are open.
  std::string device_name;
  int64_t device_count = 1;
  int ranks = 1;         // that share the video
  std::string parallel;  // how, as --parallel takes it
  std::string kernel_table;
  int64_t cpu_threads = 0;
  Residency residency = Residency::kResident;
  int64_t vae_chunk = 1, vae_slice = 0;
  uint64_t predicted_peak_bytes = 0;  // of device memory
};

Decisions decisions_of(const Plan& plan);

/// What can be decided before any device is open: of the checkpoint headers are read, of random weights nothing. Throws
/// Error(kUsage) or Error(kInput) where the request or the checkpoint is refused.
Decisions decide(const Request& request);

/// Throws OutOfMemory that names the largest video that fits where a card of `card_bytes` could never hold this one;
/// no device is opened. Throws Error(kUsage, kInput) as `decide` does.
void require_fits_card(const Request& request, uint64_t card_bytes);

/// Whether the checkpoint is one of this model of the family, of whatever size. Throws Error for a folder that cannot
/// be opened and for an unknown model.
bool holds_model(const std::filesystem::path& checkpoint, std::string_view model);

}  // namespace wan
