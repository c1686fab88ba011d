// Raw samples to series: where a reading belongs in time, and what may be compared with what.
#include <algorithm>
#include <functional>

#include "measure/stage_values.h"

namespace wan::measure {
namespace {

/// In order of time; a counter read in several ways at nearly one instant never runs backwards.
void sort_and_settle(std::vector<CounterReading>& series) {
  std::stable_sort(series.begin(), series.end(),
                   [](const CounterReading& a, const CounterReading& b) { return a.at_ns < b.at_ns; });
  for (size_t i = 1; i < series.size(); ++i) series[i].total = std::max(series[i].total, series[i - 1].total);
}

void sort_by_time(std::vector<Instant>& series) {
  std::stable_sort(series.begin(), series.end(), [](const Instant& a, const Instant& b) { return a.at_ns < b.at_ns; });
}

void add_tree(Readings& readings, const TreeReading& reading) {
  readings.cpu_ns.push_back({reading.at_ns, double(reading.cpu_ns)});
  readings.disk_read_bytes.push_back({reading.at_ns, double(reading.disk_read_bytes)});
  readings.resident.push_back({reading.at_ns, double(reading.memory.resident())});
  readings.anonymous.push_back({reading.at_ns, double(reading.memory.anonymous)});
  readings.file.push_back({reading.at_ns, double(reading.memory.file)});
  readings.swapped.push_back({reading.at_ns, double(reading.memory.swapped)});
}

void add_host(Readings& readings, const RunTimeline& timeline, const Samples& samples) {
  if (timeline.from_process_start)
    for (auto* series : {&readings.cpu_ns, &readings.disk_read_bytes}) series->push_back({timeline.total.begin_ns, 0});
  for (const TreeReading& reading : samples.tree) add_tree(readings, reading);
  int64_t since_ns = timeline.total.begin_ns;
  for (const TreeReading& own : timeline.boundaries) {
    add_tree(readings, own);
    // 0: the kernel did not let the process reset its peak, so it says nothing about this window alone.
    if (own.memory.high_water > 0)
      readings.high_water.push_back({{since_ns, own.at_ns}, double(own.memory.high_water)});
    since_ns = own.at_ns;
  }
  if (timeline.exit_cpu_ns > 0) readings.cpu_ns.push_back({timeline.total.end_ns, double(timeline.exit_cpu_ns)});
  for (auto* series : {&readings.cpu_ns, &readings.disk_read_bytes}) {
    sort_and_settle(*series);
    // Nothing is known after the last reading; what it said still holds at the end.
    if (!series->empty() && series->back().at_ns < timeline.total.end_ns)
      series->push_back({timeline.total.end_ns, series->back().total});
  }
  for (auto* series : {&readings.resident, &readings.anonymous, &readings.file, &readings.swapped})
    sort_by_time(*series);
  readings.has_own = !timeline.boundaries.empty();
  readings.exit_peak_rss_bytes = timeline.exit_peak_rss_bytes;
}

/// The machine's busy time less the tree's, between samples taken side by side.
void add_machine(Readings& readings, const Samples& samples) {
  std::vector<CounterReading> others;
  for (size_t i = 0; i < samples.machine.size(); ++i) {
    const MachineReading& machine = samples.machine[i];
    readings.system_used.push_back({machine.at_ns, double(machine.used_bytes)});
    others.push_back({machine.at_ns, double(machine.busy_ns - samples.tree[i].cpu_ns) * 1e-9});
  }
  readings.other_cpu.windows = rates(others);
  for (Window& window : readings.other_cpu.windows) window.value = std::max(0.0, window.value);
}

/// Memory the driver attributes to the watched processes; nothing when it lists none of them.
std::optional<double> own_gpu_bytes(const GpuReading& gpu, const std::vector<pid_t>& own) {
  std::optional<double> sum;
  for (const GpuProcess& process : gpu.processes)
    if (process.memory_bytes && std::find(own.begin(), own.end(), process.pid) != own.end())
      sum = sum.value_or(0) + double(*process.memory_bytes);
  return sum;
}

void add_gpu(Readings& readings, const Samples& samples) {
  std::vector<pid_t> own;
  for (const TreeReading& tree : samples.tree) own.insert(own.end(), tree.pids.begin(), tree.pids.end());
  constexpr uint64_t kSlow = kHardwareSlowdown | kSoftwareThermal | kHardwareThermal | kHardwarePowerBrake;
  const auto instant = [](std::vector<Instant>& series, int64_t at_ns, const auto& value) {
    if (value) series.push_back({at_ns, double(*value)});
  };
  for (size_t i = 0; i < samples.gpu.size(); ++i) {
    const GpuReading& gpu = samples.gpu[i];
    instant(readings.gpu_device, gpu.at_ns, gpu.device_bytes);
    instant(readings.gpu_process, gpu.at_ns, own_gpu_bytes(gpu, own));
    instant(readings.sm_clock, gpu.at_ns, gpu.sm_clock_mhz);
    instant(readings.memory_clock, gpu.at_ns, gpu.memory_clock_mhz);
    instant(readings.temperature, gpu.at_ns, gpu.temperature_c);
    if (gpu.energy_mj) readings.energy_mj.push_back({gpu.at_ns, *gpu.energy_mj});
    if (i == 0) continue;
    const Interval since{samples.gpu[i - 1].at_ns, gpu.at_ns};
    if (gpu.gpu_busy) readings.gpu_busy.windows.push_back({since, *gpu.gpu_busy});
    if (gpu.power_w) readings.power.windows.push_back({since, *gpu.power_w});
    if (gpu.slowdown) readings.throttled.windows.push_back({since, (*gpu.slowdown & kSlow) != 0 ? 1.0 : 0.0});
  }
}

void add_activity(Readings& readings, const Samples& samples) {
  const Activity counted = activity_of(samples);
  readings.activity_source = counted.source;
  readings.activity_reason = counted.reason;
  const auto window = [](WindowSeries& series, const Interval& interval, const std::optional<double>& value) {
    if (value) series.windows.push_back({interval, *value});
  };
  for (const ActivityReading& activity : counted.readings) {
    window(readings.sm, activity.interval, activity.sm);
    window(readings.occupancy, activity.interval, activity.occupancy);
    window(readings.tensor, activity.interval, activity.tensor);
    window(readings.dram, activity.interval, activity.dram);
    window(readings.pcie_to_host, activity.interval, activity.pcie_to_host_mib_s);
    window(readings.pcie_to_device, activity.interval, activity.pcie_to_device_mib_s);
  }
}

/// What is asked of a complete series again and again.
void settle(Readings& readings) {
  for (WindowSeries* series :
       {&readings.other_cpu, &readings.gpu_busy, &readings.power, &readings.throttled, &readings.sm,
        &readings.occupancy, &readings.tensor, &readings.dram, &readings.pcie_to_host, &readings.pcie_to_device})
    series->typical_ns = typical_length_ns(series->windows);
  for (auto* series : {&readings.system_used, &readings.gpu_process, &readings.gpu_device, &readings.sm_clock,
                       &readings.memory_clock, &readings.temperature})
    sort_by_time(*series);
}

}  // namespace

Readings make_readings(const RunTimeline& timeline, const Samples& samples) {
  Readings readings;
  readings.total = timeline.total;
  readings.gpu_reason = samples.gpu_reason;
  add_host(readings, timeline, samples);
  add_machine(readings, samples);
  add_gpu(readings, samples);
  add_activity(readings, samples);
  settle(readings);
  return readings;
}

}  // namespace wan::measure
