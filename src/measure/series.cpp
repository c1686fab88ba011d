// Which reading becomes which series; the names are the ones of a record's keys.
#include "measure/series.h"

#include <optional>

namespace wan::measure {
namespace {

constexpr double kPercent = 100;

class Collector {
 public:
  explicit Collector(Interval total) : total_(total) {}

  void instant(SampleSeries& series, int64_t at_ns, std::optional<double> value) const {
    window(series, {at_ns, at_ns}, value);
  }
  /// Windows that reach out of the run are left out whole: their means hold what is not the run's.
  void window(SampleSeries& series, Interval at, std::optional<double> value) const {
    if (!value || at.begin_ns < total_.begin_ns || at.end_ns > total_.end_ns) return;
    series.begin_ns.push_back(at.begin_ns - total_.begin_ns);
    series.end_ns.push_back(at.end_ns - total_.begin_ns);
    series.values.push_back(*value);
  }

 private:
  Interval total_;
};

std::optional<double> percent(const std::optional<double>& share) {
  return share ? std::optional<double>(kPercent * *share) : std::nullopt;
}

void add_gpu(SampleSet& out, const Samples& samples, const Collector& collect) {
  SampleSeries busy{"gpu_busy_percent", {}, {}, {}}, clock{"sm_clock_mhz", {}, {}, {}},
      temperature{"gpu_temperature_c", {}, {}, {}}, power{"power_w", {}, {}, {}},
      device{"gpu_device_bytes", {}, {}, {}};
  for (const GpuReading& gpu : samples.gpu) {
    collect.instant(busy, gpu.at_ns, percent(gpu.gpu_busy));
    collect.instant(clock, gpu.at_ns, gpu.sm_clock_mhz);
    collect.instant(temperature, gpu.at_ns, gpu.temperature_c);
    collect.instant(power, gpu.at_ns, gpu.power_w);
    if (gpu.device_bytes) collect.instant(device, gpu.at_ns, static_cast<double>(*gpu.device_bytes));
  }
  out.series.insert(out.series.end(), {busy, clock, temperature, power, device});
}

void add_activity(SampleSet& out, const Samples& samples, const Collector& collect) {
  SampleSeries sm{"sm_active_percent", {}, {}, {}}, tensor{"tensor_active_percent", {}, {}, {}},
      dram{"dram_active_percent", {}, {}, {}}, occupancy{"sm_occupancy_percent", {}, {}, {}};
  for (const ActivityReading& reading : activity_of(samples).readings) {
    collect.window(sm, reading.interval, percent(reading.sm));
    collect.window(tensor, reading.interval, percent(reading.tensor));
    collect.window(dram, reading.interval, percent(reading.dram));
    collect.window(occupancy, reading.interval, percent(reading.occupancy));
  }
  out.series.insert(out.series.end(), {sm, tensor, dram, occupancy});
}

void add_host(SampleSet& out, const Samples& samples, const Collector& collect) {
  SampleSeries resident{"process_resident_bytes", {}, {}, {}}, cores{"process_cpu_cores", {}, {}, {}};
  std::vector<CounterReading> cpu;
  for (const TreeReading& tree : samples.tree) {
    if (tree.processes == 0) continue;
    collect.instant(resident, tree.at_ns, static_cast<double>(tree.memory.resident()));
    cpu.push_back({tree.at_ns, static_cast<double>(tree.cpu_ns) * 1e-9});
  }
  for (const Window& window : rates(cpu)) collect.window(cores, window.interval, window.value);
  out.series.insert(out.series.end(), {resident, cores});
}

}  // namespace

SampleSet series_of(const Samples& samples, Interval total) {
  SampleSet out;
  out.period_ms = static_cast<double>(samples.period_ns) * 1e-6;
  const Collector collect(total);
  add_activity(out, samples, collect);
  add_gpu(out, samples, collect);
  add_host(out, samples, collect);
  std::erase_if(out.series, [](const SampleSeries& series) { return series.values.empty(); });
  return out;
}

}  // namespace wan::measure
