#include "analysis/stage_columns.h"

#include <algorithm>

namespace wan {
namespace {

constexpr double kNanosecond = 1e-9;
constexpr const char *kMean = "mean of the stage", *kMedian = "median of the stage", *kPeak = "peak of the stage";

template <class T>
Measured<double> as_double(const Measured<T>& value) {
  if (!value.has()) return absent<double>(value.reason.empty() ? "not_measured" : value.reason);
  return measured(static_cast<double>(*value.value), value.source);
}

Measured<double> as_double(const Counter& counter) {
  if (!counter.mean_percent) return absent<double>(counter.reason.empty() ? "not_measured" : counter.reason);
  return measured(*counter.mean_percent, counter.source);
}

Measured<double> middle(const Measured<Spread>& spread) {
  return spread.has() ? measured(spread.value->median, spread.source) : absent<double>(spread.reason);
}

/// `amount` times `scale` over nanoseconds.
Measured<double> over_time(const Measured<double>& amount, double scale, int64_t ns) {
  if (!amount.has()) return amount;
  if (ns <= 0) return absent<double>("no_time");
  return measured(*amount.value * scale / (static_cast<double>(ns) * kNanosecond), amount.source);
}

Measured<double> cpu_cores(const RunRecord&, const StageRecord& s) {
  return over_time(as_double(s.cpu_core_ns), kNanosecond, s.wall_ns);
}

Measured<double> cpu_percent(const RunRecord& run, const StageRecord& s) {
  const Measured<double> cores = cpu_cores(run, s);
  if (!cores.has()) return cores;
  if (!run.system.cores_allowed.has() || *run.system.cores_allowed.value <= 0)
    return absent<double>("allowed_cores_not_recorded");
  return measured(100 * *cores.value / static_cast<double>(*run.system.cores_allowed.value), cores.source);
}

/// SM activity times wall time.
Measured<double> sm_seconds(const RunRecord&, const StageRecord& s) {
  const Measured<double> percent = as_double(s.counters.sm_active);
  if (!percent.has()) return percent;
  return measured(*percent.value * 0.01 * static_cast<double>(s.wall_ns) * kNanosecond, percent.source);
}

/// Over the device's time, else over wall time.
Measured<double> tflop_per_s(const RunRecord&, const StageRecord& s) {
  const bool on_device = s.gpu_ns.has() && *s.gpu_ns.value > 0;
  return over_time(as_double(s.flops), 1e-12, on_device ? *s.gpu_ns.value : s.wall_ns);
}

using R = const RunRecord&;
using S = const StageRecord&;

const StageColumn kColumns[] = {
    {.key = "wall_ns",
     .head = "Time",
     .title = "Time",
     .unit = Unit::kSeconds,
     .hint = "Wall time of the stage.",
     .targets = kTables | kCsv,
     .value = [](R, S s) { return measured(static_cast<double>(s.wall_ns), "clock"); },
     .to_si = kNanosecond,
     .over_runs = &StageSummary::wall_s,
     .csv_place = 1},
    {.key = "begin_ns",
     .head = "Begin",
     .title = "Begin",
     .unit = Unit::kSeconds,
     .hint = "From the start of the run.",
     .targets = kCsv,
     .value = [](R, S s) { return as_double(s.begin_ns); },
     .to_si = kNanosecond,
     .csv_place = 2},
    {.key = "gpu_ns",
     .head = "On the GPU",
     .title = "On the GPU",
     .unit = Unit::kSeconds,
     .hint = "Between the device events of the stage's edges; of the total, the GPU part.",
     .targets = kTables | kCsv | kTrace,
     .needs = Needs::kCard,
     .value = [](R, S s) { return as_double(s.gpu_ns); },
     .to_si = kNanosecond,
     .over_runs = &StageSummary::gpu_s,
     .csv_place = 3},
    {.key = "exposed_copy_ns",
     .head = "Exposed Copy",
     .title = "Exposed copies",
     .unit = Unit::kSeconds,
     .hint = "The card waited for weights.",
     .targets = kTables | kCsv | kTrace,
     .needs = Needs::kCard,
     .value = [](R, S s) { return as_double(s.exposed_copy_ns); },
     .to_si = kNanosecond,
     .over_runs = &StageSummary::exposed_copy_s,
     .csv_place = 4},
    {.key = "hidden_copy_ns",
     .head = "Hidden Copy",
     .title = "Hidden copies",
     .unit = Unit::kSeconds,
     .hint = "Weights were copied and nothing waited for them.",
     .targets = kTables | kCsv | kTrace,
     .needs = Needs::kCard,
     .value = [](R, S s) { return as_double(s.hidden_copy_ns); },
     .to_si = kNanosecond,
     .over_runs = &StageSummary::hidden_copy_s,
     .csv_place = 5},
    {.key = "device_process_peak_bytes",
     .head = "GPU Mem",
     .title = "GPU memory",
     .unit = Unit::kBytes,
     .hint = "Peak of what the driver gives to the process, context included.",
     .targets = kTables | kPageCurve | kCsv | kTrace,
     .needs = Needs::kCard,
     .value = [](R, S s) { return as_double(s.device_memory.process_peak_bytes); },
     .over_runs = &StageSummary::device_process_peak_bytes,
     .of_stage = kPeak,
     .csv_place = 12},
    {.key = "device_pool_peak_bytes",
     .head = "GPU Pool",
     .title = "GPU pool",
     .unit = Unit::kBytes,
     .hint = "Peak of the engine's own allocations on the card.",
     .targets = kTables | kPageCurve | kCsv | kTrace,
     .needs = Needs::kCard,
     .value = [](R, S s) { return as_double(s.device_memory.pool_peak_bytes); },
     .over_runs = &StageSummary::device_pool_peak_bytes,
     .of_stage = kPeak,
     .csv_place = 13},
    {.key = "device_peak_bytes",
     .head = "GPU Used",
     .title = "GPU device used",
     .unit = Unit::kBytes,
     .hint = "Peak of the whole card, other programs included.",
     .targets = kPageCurve | kTrace,
     .needs = Needs::kCard,
     .value = [](R, S s) { return as_double(s.device_memory.device_peak_bytes); },
     .of_stage = kPeak,
     .series = "gpu_device_bytes"},
    {.key = "cpu_percent",
     .head = "CPU",
     .title = "CPU, share",
     .unit = Unit::kPercent,
     .hint = "Time of the process on cores, of all it may use.",
     .targets = kTables | kCsv,
     .value = cpu_percent,
     .over_runs = &StageSummary::cpu_percent},
    {.key = "cpu_cores",
     .head = "CPU",
     .title = "Process CPU",
     .unit = Unit::kCores,
     .hint = "Cores the process kept busy.",
     .targets = kTables | kPageCurve | kCsv | kTrace,
     .value = cpu_cores,
     .over_runs = &StageSummary::cpu_cores,
     .of_stage = kMean,
     .series = "process_cpu_cores"},
    {.key = "cpu_core_ns",
     .head = "CPU Time",
     .title = "CPU time",
     .unit = Unit::kSeconds,
     .hint = "Time of the process on all cores together.",
     .targets = kCsv,
     .value = [](R, S s) { return as_double(s.cpu_core_ns); },
     .to_si = kNanosecond,
     .csv_place = 8},
    {.key = "host_process_peak_bytes",
     .head = "Process Mem",
     .title = "Process memory",
     .unit = Unit::kBytes,
     .hint = "Peak of the process's resident memory.",
     .targets = kTables | kPageCurve | kCsv | kTrace,
     .value = [](R, S s) { return as_double(s.host_memory.process_peak_bytes); },
     .over_runs = &StageSummary::host_process_peak_bytes,
     .of_stage = kPeak,
     .series = "process_resident_bytes",
     .csv_place = 10},
    {.key = "host_system_used_peak_bytes",
     .head = "Sys Mem",
     .title = "System memory",
     .unit = Unit::kBytes,
     .hint = "Peak of the whole machine, other programs included.",
     .targets = kTables | kCsv,
     .value = [](R, S s) { return as_double(s.host_memory.system_used_peak_bytes); },
     .over_runs = &StageSummary::host_system_peak_bytes,
     .csv_place = 11},
    {.key = "sm_active_percent",
     .head = "SM Act",
     .title = "SM active",
     .unit = Unit::kPercent,
     .hint = "Time in which multiprocessors had work, mean of all of them.",
     .targets = kTables | kPageCurve | kCsv | kTrace,
     .needs = Needs::kCard,
     .value = [](R, S s) { return as_double(s.counters.sm_active); },
     .over_runs = &StageSummary::sm_active_percent,
     .of_stage = kMean,
     .series = "sm_active_percent",
     .csv_place = 14},
    {.key = "tensor_active_percent",
     .head = "Tensor Act",
     .title = "Tensor active",
     .unit = Unit::kPercent,
     .hint = "Cycles in which tensor cores worked.",
     .targets = kTables | kPageCurve | kCsv | kTrace,
     .needs = Needs::kCard,
     .value = [](R, S s) { return as_double(s.counters.tensor_active); },
     .over_runs = &StageSummary::tensor_active_percent,
     .of_stage = kMean,
     .series = "tensor_active_percent",
     .csv_place = 15},
    {.key = "dram_active_percent",
     .head = "DRAM Act",
     .title = "DRAM active",
     .unit = Unit::kPercent,
     .hint = "Cycles in which the card's memory moved data.",
     .targets = kTables | kPageCurve | kCsv | kTrace,
     .needs = Needs::kCard,
     .value = [](R, S s) { return as_double(s.counters.dram_active); },
     .over_runs = &StageSummary::dram_active_percent,
     .of_stage = kMean,
     .series = "dram_active_percent",
     .csv_place = 16},
    {.key = "sm_occupancy_percent",
     .head = "SM Occ",
     .title = "SM occupancy",
     .unit = Unit::kPercent,
     .hint = "Warps on the multiprocessors, of as many as fit.",
     .targets = kTables | kPageCurve | kCsv | kTrace,
     .needs = Needs::kCard,
     .value = [](R, S s) { return as_double(s.counters.sm_occupancy); },
     .over_runs = &StageSummary::sm_occupancy_percent,
     .of_stage = kMean,
     .series = "sm_occupancy_percent",
     .csv_place = 17},
    {.key = "gpu_busy_percent",
     .head = "GPU Busy",
     .title = "GPU busy",
     .unit = Unit::kPercent,
     .hint = "Time in which any kernel ran.",
     .targets = kTables | kPageCurve | kCsv | kTrace,
     .needs = Needs::kCard,
     .value = [](R, S s) { return as_double(s.counters.gpu_busy); },
     .over_runs = &StageSummary::gpu_busy_percent,
     .of_stage = kMean,
     .series = "gpu_busy_percent",
     .csv_place = 18},
    {.key = "sm_seconds",
     .head = "Comp Load",
     .title = "Compute load",
     .unit = Unit::kSmSeconds,
     .hint = "SM activity times time.",
     .targets = kTables | kCsv,
     .needs = Needs::kCard,
     .value = sm_seconds,
     .over_runs = &StageSummary::sm_seconds},
    {.key = "sm_clock_median_mhz",
     .head = "SM Clock",
     .title = "SM clock",
     .unit = Unit::kMegahertz,
     .hint = "Median of the readings.",
     .targets = kTables | kPageCurve | kCsv | kTrace,
     .needs = Needs::kCard,
     .value = [](R, S s) { return middle(s.sm_clock_mhz); },
     .over_runs = &StageSummary::sm_clock_mhz,
     .of_stage = kMedian,
     .series = "sm_clock_mhz",
     .csv_place = 19},
    {.key = "gpu_temperature_median_c",
     .head = "GPU Temp",
     .title = "GPU temperature",
     .unit = Unit::kCelsius,
     .hint = "Median of the readings.",
     .targets = kPageCurve | kTrace,
     .needs = Needs::kCard,
     .value = [](R, S s) { return middle(s.gpu_temperature_c); },
     .of_stage = kMedian,
     .series = "gpu_temperature_c"},
    {.key = "throttled_percent",
     .head = "Throttled",
     .title = "Throttled",
     .unit = Unit::kPercent,
     .hint = "Share of the stage under a hardware or thermal slowdown.",
     .targets = kTrace,
     .needs = Needs::kCard,
     .value = [](R, S s) { return as_double(s.throttled_percent); },
     .of_stage = "share of the stage"},
    {.key = "power_mean_w",
     .head = "Power",
     .title = "Power",
     .unit = Unit::kWatts,
     .hint = "Mean power of the card.",
     .targets = kTables | kPageCurve | kCsv | kTrace,
     .needs = Needs::kCard,
     .value = [](R, S s) { return as_double(s.power_mean_w); },
     .over_runs = &StageSummary::power_w,
     .of_stage = kMean,
     .series = "power_w",
     .csv_place = 20},
    {.key = "energy_j",
     .head = "Energy",
     .title = "Energy",
     .unit = Unit::kJoules,
     .hint = "Energy of the card.",
     .targets = kTables | kCsv | kTrace,
     .needs = Needs::kCard,
     .value = [](R, S s) { return as_double(s.energy_j); },
     .over_runs = &StageSummary::energy_j,
     .csv_place = 21},
    {.key = "flops",
     .head = "Operations",
     .title = "Operations",
     .unit = Unit::kOperations,
     .hint = "Floating-point operations executed, a multiply-add as 2.",
     .targets = kCsv | kTrace,
     .value = [](R, S s) { return as_double(s.flops); },
     .over_runs = &StageSummary::flops,
     .csv_place = 7},
    {.key = "tflop_per_s",
     .head = "Achieved",
     .title = "Achieved",
     .unit = Unit::kTeraflops,
     .hint = "Operations over the stage's time on the card, else over its wall time.",
     .targets = kTables | kCsv | kTrace,
     .value = tflop_per_s,
     .over_runs = &StageSummary::achieved_tflops},
    {.key = "read_bytes",
     .head = "Read",
     .title = "Read from storage",
     .unit = Unit::kBytes,
     .hint = "From storage, page cache excluded.",
     .targets = kTables | kCsv,
     .value = [](R, S s) { return as_double(s.read_bytes); },
     .over_runs = &StageSummary::read_bytes,
     .csv_place = 9},
    {.key = "moved_bytes",
     .head = "Moved",
     .title = "Moved",
     .unit = Unit::kBytes,
     .hint = "Weights copied to the card meanwhile.",
     .targets = kTables | kCsv | kTrace,
     .needs = Needs::kCard,
     .value = [](R, S s) { return as_double(s.moved_bytes); },
     .over_runs = &StageSummary::moved_bytes,
     .csv_place = 6},
    {.key = "pcie_rx_bytes_per_s",
     .head = "PCIe In",
     .title = "PCIe to device",
     .unit = Unit::kBytesPerSecond,
     .hint = "Mean rate over the bus to the card.",
     .targets = kTrace,
     .needs = Needs::kCard,
     .value = [](R, S s) { return as_double(s.pcie_rx_bytes_per_s); },
     .of_stage = kMean},
    {.key = "pcie_tx_bytes_per_s",
     .head = "PCIe Out",
     .title = "PCIe to host",
     .unit = Unit::kBytesPerSecond,
     .hint = "Mean rate over the bus from the card.",
     .targets = kTrace,
     .needs = Needs::kCard,
     .value = [](R, S s) { return as_double(s.pcie_tx_bytes_per_s); },
     .of_stage = kMean},
};

}  // namespace

std::string_view unit_name(Unit unit) {
  switch (unit) {
    case Unit::kSeconds: return "seconds";
    case Unit::kBytes: return "bytes";
    case Unit::kPercent: return "percent";
    case Unit::kCores: return "cores";
    case Unit::kSmSeconds: return "sm_seconds";
    case Unit::kMegahertz: return "mhz";
    case Unit::kWatts: return "watts";
    case Unit::kJoules: return "joules";
    case Unit::kTeraflops: return "tflops";
    case Unit::kCelsius: return "celsius";
    case Unit::kBytesPerSecond: return "bytes_per_second";
    case Unit::kOperations: return "operations";
  }
  return "plain";
}

std::string_view unit_symbol(Unit unit) {
  switch (unit) {
    case Unit::kSeconds: return "s";
    case Unit::kBytes: return "GiB";
    case Unit::kPercent: return "%";
    case Unit::kCores: return "cores";
    case Unit::kSmSeconds: return "SM·s";
    case Unit::kMegahertz: return "MHz";
    case Unit::kWatts: return "W";
    case Unit::kJoules: return "J";
    case Unit::kTeraflops: return "TFLOP/s";
    case Unit::kCelsius: return "°C";
    case Unit::kBytesPerSecond: return "bytes/s";
    case Unit::kOperations: return "operations";
  }
  return "";
}

bool StageColumn::is_whole() const {
  const std::string_view name = key;
  return name.ends_with("_ns") || name.ends_with("_bytes");
}

std::span<const StageColumn> stage_columns() { return kColumns; }

const StageColumn* column_of_series(std::string_view series) {
  const auto found = std::find_if(std::begin(kColumns), std::end(kColumns), [&](const StageColumn& column) {
    return column.series != nullptr && column.series == series;
  });
  return found == std::end(kColumns) ? nullptr : found;
}

bool is_copy(StageKind kind) { return kind == StageKind::kHidden || kind == StageKind::kComponent; }

std::optional<double> gb_per_s(uint64_t bytes, int64_t wall_ns) {
  if (wall_ns <= 0) return std::nullopt;
  return static_cast<double>(bytes) / static_cast<double>(wall_ns);
}

}  // namespace wan
