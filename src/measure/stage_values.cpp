#include "measure/stage_values.h"

#include <algorithm>
#include <cmath>

namespace wan::measure {
namespace {

constexpr const char* kBelowResolution = "below_resolution";
constexpr const char* kNoSamples = "no_samples";

auto first_after(const std::vector<Instant>& series, int64_t at_ns) {
  return std::upper_bound(series.begin(), series.end(), at_ns,
                          [](int64_t at, const Instant& instant) { return at < instant.at_ns; });
}

/// The state at the start of `part` and every reading inside it. The process's own reading at a boundary is made a
/// little after it, so a millisecond beyond the end still belongs.
std::span<const Instant> instants_during(const std::vector<Instant>& series, const Interval& part) {
  constexpr int64_t kBoundaryDelayNs = 1'000'000;
  const auto first = first_after(series, part.begin_ns), last = first_after(series, part.end_ns + kBoundaryDelayNs);
  if (first < last) return {first, last};
  return first == series.begin() ? std::span<const Instant>() : std::span<const Instant>(first - 1, first);
}

Measured<uint64_t> largest(const std::vector<Instant>& series, std::span<const Interval> parts, const char* source,
                           const std::string& reason = kNoSamples) {
  std::optional<double> peak;
  for (const Interval& part : parts)
    for (const Instant& at : instants_during(series, part)) peak = std::max(peak.value_or(at.value), at.value);
  if (!peak) return absent<uint64_t>(reason);
  return measured(static_cast<uint64_t>(std::llround(*peak)), source);
}

Measured<uint64_t> resident_peak(const Readings& readings, std::span<const Interval> parts, Extent extent) {
  std::optional<double> peak;
  for (const Interval& part : parts)
    if (const auto value = peak_over(readings.high_water, part)) peak = std::max(peak.value_or(*value), *value);
  if (extent == Extent::kWholeRun && readings.exit_peak_rss_bytes > 0)
    peak = std::max(peak.value_or(0), double(readings.exit_peak_rss_bytes));
  const Measured<uint64_t> sampled = largest(readings.resident, parts, "proc_sampled");
  if (!peak) return sampled;
  if (extent == Extent::kWholeRun && sampled.has()) peak = std::max(*peak, double(*sampled.value));
  return measured(static_cast<uint64_t>(std::llround(*peak)), "proc");
}

enum class Edges { kInside, kMayOverhang };

Measured<int64_t> growth(const std::vector<CounterReading>& series, std::span<const Interval> parts, const char* source,
                         Edges edges = Edges::kInside) {
  double sum = 0;
  for (const Interval& part : parts) {
    const auto grown = edges == Edges::kInside ? growth_over(series, part) : growth_nearly_over(series, part);
    if (!grown) return absent<int64_t>(kNoSamples);
    sum += *grown;
  }
  return measured(static_cast<int64_t>(std::llround(sum)), source);
}

int64_t total_length(std::span<const Interval> parts) {
  int64_t sum = 0;
  for (const Interval& part : parts) sum += part.length_ns();
  return sum;
}

void fill_cpu(StageRecord& stage, std::span<const Interval> parts, const Readings& readings, Resolution resolution) {
  // Without the process's own readings the counter is known at sampling instants only.
  constexpr int64_t kOwnFloorNs = 5'000'000;  // the process reads itself some 100 us after a boundary
  const int64_t floor_ns = readings.has_own ? kOwnFloorNs : int64_t(kStageWindows) * Sampler::kPeriodNs;
  const bool too_short = resolution != Resolution::kAny && total_length(parts) < floor_ns;
  stage.cpu_core_ns = too_short ? absent<int64_t>(kBelowResolution) : growth(readings.cpu_ns, parts, "proc");
  const Share others = integral_over(readings.other_cpu, parts, resolution);
  stage.other_cpu_core_ns = others.value ? measured(static_cast<int64_t>(std::llround(*others.value * 1e9)), "proc")
                                         : absent<int64_t>(others.reason);
  const auto read = too_short ? absent<int64_t>(kBelowResolution) : growth(readings.disk_read_bytes, parts, "proc");
  stage.read_bytes = read.has() ? measured(static_cast<uint64_t>(*read.value), "proc") : absent<uint64_t>(read.reason);
}

void fill_host_memory(HostMemory& memory, std::span<const Interval> parts, const Readings& readings, Extent extent) {
  memory.process_peak_bytes = resident_peak(readings, parts, extent);
  memory.anonymous_peak_bytes = largest(readings.anonymous, parts, "proc_sampled");
  memory.file_peak_bytes = largest(readings.file, parts, "proc_sampled");
  memory.swap_peak_bytes = largest(readings.swapped, parts, "proc_sampled");
  memory.system_used_peak_bytes = largest(readings.system_used, parts, "proc_sampled");
  if (!memory.pinned_peak_bytes.has()) memory.pinned_peak_bytes = absent<uint64_t>("not_reported_by_the_engine");
}

Counter counter(const WindowSeries& series, std::span<const Interval> parts, Pool& pool, Resolution resolution,
                const std::string& source, const std::string& why_none) {
  Counter result;
  if (series.empty()) {
    result.reason = why_none.empty() ? kNoSamples : why_none;
    return result;
  }
  const Share share = mean_over(series, parts, resolution);
  result.reason = share.reason;
  result.source = source;
  result.windows = std::llround(share.windows);
  result.coverage = share.coverage;
  if (share.value) {
    result.mean_percent = 100 * *share.value;
  } else if (share.reason == kBelowResolution) {
    if (const Share& pooled = pool.mean(series); pooled.value) result.pooled_percent = 100 * *pooled.value;
  }
  return result;
}

Measured<Spread> spread(const std::vector<Instant>& series, std::span<const Interval> parts, const std::string& none) {
  std::vector<double> values;
  for (const Interval& part : parts)
    for (auto at = first_after(series, part.begin_ns); at != series.end() && at->at_ns <= part.end_ns; ++at)
      values.push_back(at->value);
  if (values.empty()) return absent<Spread>(series.empty() ? none : kBelowResolution);
  std::sort(values.begin(), values.end());
  const size_t half = values.size() / 2;
  const double middle = values.size() % 2 == 1 ? values[half] : (values[half - 1] + values[half]) / 2;
  return measured(Spread{values.front(), middle, values.back()}, "nvml");
}

Measured<double> scaled_mean(const WindowSeries& series, std::span<const Interval> parts, Resolution resolution,
                             double scale, const std::string& source, const std::string& none) {
  if (series.empty()) return absent<double>(none.empty() ? kNoSamples : none);
  const Share share = mean_over(series, parts, resolution);
  return share.value ? measured(*share.value * scale, source) : absent<double>(share.reason);
}

void fill_energy(StageRecord& stage, std::span<const Interval> parts, const Readings& readings, Resolution resolution) {
  constexpr int64_t kLeastNs = 1'000'000'000;  // the counter moves about every 100 ms
  const std::string none = readings.gpu_reason.empty() ? kNoSamples : readings.gpu_reason;
  stage.energy_j = absent<double>(none);
  if (!readings.energy_mj.empty()) {
    const auto grown = growth(readings.energy_mj, parts, "nvml", Edges::kMayOverhang);
    stage.energy_j = total_length(parts) < kLeastNs ? absent<double>(kBelowResolution)
                     : grown.has()                  ? measured(double(*grown.value) * 1e-3, "nvml_energy_counter")
                                                    : absent<double>(grown.reason);
  }
  if (stage.energy_j.has())
    stage.power_mean_w = measured(*stage.energy_j.value / (double(total_length(parts)) * 1e-9), "nvml_energy_counter");
  else
    stage.power_mean_w = scaled_mean(readings.power, parts, resolution, 1, "nvml", none);
}

void fill_gpu(StageRecord& stage, std::span<const Interval> parts, Pool& pool, const Readings& readings,
              Resolution resolution) {
  const std::string& none = readings.gpu_reason;
  stage.device_memory.process_peak_bytes =
      largest(readings.gpu_process, parts, "nvml", readings.gpu_device.empty() ? none : "not_visible_to_the_driver");
  stage.device_memory.device_peak_bytes = largest(readings.gpu_device, parts, "nvml", none);
  // A source that counts something, but not this.
  const std::string uncounted =
      readings.activity_source.empty() ? readings.activity_reason : "not_counted_by_" + readings.activity_source;
  const auto activity = [&](const WindowSeries& series) {
    return counter(series, parts, pool, resolution, readings.activity_source, uncounted);
  };
  stage.counters.sm_active = activity(readings.sm);
  stage.counters.sm_occupancy = activity(readings.occupancy);
  stage.counters.tensor_active = activity(readings.tensor);
  stage.counters.dram_active = activity(readings.dram);
  stage.counters.gpu_busy = counter(readings.gpu_busy, parts, pool, resolution, "nvml", none);
  stage.sm_clock_mhz = spread(readings.sm_clock, parts, none);
  stage.memory_clock_mhz = spread(readings.memory_clock, parts, none);
  stage.gpu_temperature_c = spread(readings.temperature, parts, none);
  stage.throttled_percent = scaled_mean(readings.throttled, parts, resolution, 100, "nvml", none);
  constexpr double kMiB = 1024 * 1024;
  stage.pcie_rx_bytes_per_s =
      scaled_mean(readings.pcie_to_device, parts, resolution, kMiB, readings.activity_source, uncounted);
  stage.pcie_tx_bytes_per_s =
      scaled_mean(readings.pcie_to_host, parts, resolution, kMiB, readings.activity_source, uncounted);
  fill_energy(stage, parts, readings, resolution);
}

}  // namespace

const Share& Pool::mean(const WindowSeries& series) {
  const auto [found, is_new] = means_.try_emplace(&series);
  if (is_new) found->second = mean_over(series, parts_, Resolution::kPooled);
  return found->second;
}

void fill_values(StageRecord& stage, std::span<const Interval> parts, Pool& pool, const Readings& readings,
                 Extent extent) {
  const Resolution resolution = extent == Extent::kWholeRun ? Resolution::kAny : Resolution::kStage;
  fill_cpu(stage, parts, readings, resolution);
  fill_host_memory(stage.host_memory, parts, readings, extent);
  fill_gpu(stage, parts, pool, readings, resolution);
  stage.device_memory.pool_peak_bytes = absent<uint64_t>("not_reported_by_the_engine");
}

void add_engine_memory(StageRecord& stage, const StageMemory& memory) {
  uint64_t sum = 0;
  for (const auto& [component, bytes] : memory.device_bytes) {
    uint64_t& kept = stage.device_memory.component_bytes[component];
    kept = std::max(kept, bytes);
    sum += bytes;
  }
  if (!memory.device_bytes.empty())
    stage.device_memory.pool_peak_bytes = measured(
        std::max(memory.device_peak_bytes.value_or(sum), stage.device_memory.pool_peak_bytes.value.value_or(0)),
        "engine");
  const auto pinned = memory.host_bytes.find("pinned");
  if (pinned != memory.host_bytes.end())
    stage.host_memory.pinned_peak_bytes =
        measured(std::max(pinned->second, stage.host_memory.pinned_peak_bytes.value.value_or(0)), "engine");
}

std::string no_device_time(const Readings& readings) {
  return readings.gpu_reason.empty() ? "not_reported_by_the_engine" : readings.gpu_reason;
}

void sum_over_leaves(StageRecord& total, const std::vector<StageRecord>& stages, const Readings& readings) {
  double flops = 0;
  for (const StageRecord& stage : stages)
    if (stage.kind == StageKind::kLeaf) flops += stage.flops.value.value_or(0);
  total.flops = flops > 0 ? measured(flops, "engine") : absent<double>("not_reported_by_the_engine");
  total.moved_bytes = absent<uint64_t>("not_reported_by_the_engine");
  for (auto member : {&StageRecord::gpu_ns, &StageRecord::exposed_copy_ns, &StageRecord::hidden_copy_ns}) {
    total.*member = absent<int64_t>(no_device_time(readings));
    for (const StageRecord& stage : stages)
      if (stage.kind == StageKind::kLeaf && (stage.*member).has())
        total.*member = measured((total.*member).value.value_or(0) + *(stage.*member).value, "device_event");
  }
}

}  // namespace wan::measure
