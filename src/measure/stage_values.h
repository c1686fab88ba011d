// The measured values of one stage, from readings made ready once a run. Inner part of account.h.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "measure/account.h"

namespace wan::measure {

/// A quantity at one instant.
struct Instant {
  int64_t at_ns = 0;
  double value = 0;
};

/// Readings as series, in order of time. Counters never fall.
struct Readings {
  Interval total;
  std::vector<CounterReading> cpu_ns, disk_read_bytes, energy_mj;
  WindowSeries other_cpu;          // cores used by everybody else
  std::vector<Window> high_water;  // exact peaks between the process's own readings
  std::vector<Instant> resident, anonymous, file, swapped, system_used;
  std::vector<Instant> gpu_process, gpu_device, sm_clock, memory_clock, temperature;
  WindowSeries gpu_busy, power, throttled;
  WindowSeries sm, occupancy, tensor, dram, pcie_to_host, pcie_to_device;
  uint64_t exit_peak_rss_bytes = 0;
  bool has_own = false;  // the process told its own readings at boundaries
  std::string gpu_reason, activity_reason, activity_source;
};

Readings make_readings(const RunTimeline& timeline, const Samples& samples);

enum class Extent { kStage, kWholeRun };

/// All stages of a kind, for a pooled mean where one alone is too short. The mean of a series is found once.
class Pool {
 public:
  void add(const Interval& part) { parts_.push_back(part); }
  const Share& mean(const WindowSeries& series);

 private:
  std::vector<Interval> parts_;
  std::map<const WindowSeries*, Share> means_;
};

/// Fills CPU, memory, counters, clocks, power and PCIe of `stage` over `parts`. `pool`: of the stages of its kind.
void fill_values(StageRecord& stage, std::span<const Interval> parts, Pool& pool, const Readings& readings,
                 Extent extent);

/// Adds what the engine's allocator said; of several marks the largest of each component stays.
void add_engine_memory(StageRecord& stage, const StageMemory& memory);

/// Why a stage has no time by device events.
std::string no_device_time(const Readings& readings);

/// What the whole run has from its leaves alone: operations, time by device events, time in which weights were copied.
void sum_over_leaves(StageRecord& total, const std::vector<StageRecord>& stages, const Readings& readings);

}  // namespace wan::measure
