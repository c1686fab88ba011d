// What watching costs, as `selftest overhead` measured it on one machine: kept beside results, and quoted by them.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "results/record.h"

namespace wan {

inline constexpr std::string_view kOverheadSchema = "wanbench.overhead";
inline constexpr int kOverheadMajor = 1;
inline constexpr int kOverheadMinor = 1;  // 1: the program's digest

/// Neighbouring blocks of steps of one video, one with the monitor on and one with it off.
struct OverheadPair {
  double off_s = 0, on_s = 0;  // median step of each
};

struct OverheadResult {
  std::string created_utc;
  ToolInfo tool;
  std::string device;    // name of the card, or of the processor
  std::string gpu_uuid;  // empty on the CPU
  std::string counters;  // source that was read: cupti_pm, nvml_gpm, dcgm; empty: none
  std::string counters_not_read;
  std::string work;  // model, size, frames
  double period_ms = 0;
  int64_t steps_in_block = 0;
  std::vector<OverheadPair> pairs;
  double step_s = 0;                         // median with the monitor off
  double percent = 0;                        // median over pairs of on / off - 1
  double low_percent = 0, high_percent = 0;  // its 95 % interval
  double limit_percent = 0;
  double sampler_core_percent = 0;  // of one core, while on
};

std::string to_json(const OverheadResult& result);
/// Throws Error(kInput) naming `file` for another schema, a newer major version, an absent key or a wrong type.
OverheadResult overhead_from_json(const std::string& text, const std::string& file);

}  // namespace wan
