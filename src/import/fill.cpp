// Rows of a report as stages of a record.
#include "import/fill.h"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "base/error.h"
#include "import/parse.h"
#include "results/stage_names.h"
#include "results/stage_role.h"

namespace wan {
namespace {

constexpr double kGiB = 1024.0 * 1024.0 * 1024.0;
constexpr const char* kSource = "imported";

constexpr double kMostSeconds = 1e9;   // of a stage
constexpr double kMostTogether = 4e9;  // of a run's stages: in nanoseconds their sum is a whole number yet
constexpr double kMostGib = 1e6;

void require_within(const RunRecord& record, const std::string& stage, std::string_view what, double value,
                    double most) {
  if (value >= 0 && value <= most) return;
  throw Error(ErrorKind::kInput, fmt::format("{}: stage '{}': expected 0 to {:g} {}, found {:g}", record.imported->file,
                                             stage, most, what, value));
}

Measured<uint64_t> bytes_from_gib(const std::optional<double>& gib, const char* reason) {
  if (!gib) return absent<uint64_t>(reason);
  return measured(static_cast<uint64_t>(std::llround(*gib * kGiB)), kSource);
}

Counter counter(const std::optional<double>& percent, double seconds) {
  if (!percent) return {std::nullopt, "not_in_source", "", 0, 0};
  if (seconds < kShortestSampledSeconds) return {std::nullopt, "below_resolution", "", 0, 0};
  return {*percent, "", kSource, 0, 1};
}

bool starts_with_step(const StageRecord& stage) { return stage.index >= 0; }

}  // namespace

void add_stage(RunRecord& record, const OriginalStage& row, std::map<std::string, std::string> printed) {
  require_within(record, row.name, "seconds", row.seconds, kMostSeconds);
  require_within(record, row.name, "GiB of the card's memory", row.peak_gib.value_or(0), kMostGib);
  require_within(record, row.name, "GiB of the machine's memory", row.system_gib.value_or(0), kMostGib);
  StageRecord stage;
  const StageId id = stage_from_name(row.name);
  stage.id = stage.name = row.name;
  stage.role = id.role;
  stage.index = id.index;
  stage.kind = row.name == kTotalName ? StageKind::kParent : StageKind::kLeaf;
  stage.parent = stage.kind == StageKind::kParent ? "" : kTotalName;
  stage.wall_ns = std::llround(row.seconds * 1e9);
  for (auto* missing : {&stage.begin_ns, &stage.gpu_ns, &stage.exposed_copy_ns, &stage.other_cpu_core_ns}) {
    *missing = absent<int64_t>("not_in_source");
  }
  stage.cpu_core_ns = absent<int64_t>(row.cpu_percent ? "printed_for_the_whole_machine" : "not_in_source");
  stage.moved_bytes = absent<uint64_t>("not_in_source");
  stage.read_bytes = absent<uint64_t>("not_in_source");
  stage.flops = absent<double>("not_in_source");
  stage.device_memory.pool_peak_bytes = bytes_from_gib(row.peak_gib, "not_in_source");
  stage.device_memory.process_peak_bytes = absent<uint64_t>(row.peak_gib ? "allocator_peak_only" : "not_in_source");
  const bool no_system = row.system_gib && *row.system_gib == 0;  // no machine uses no memory
  stage.host_memory.system_used_peak_bytes =
      no_system ? absent<uint64_t>("printed_zero") : bytes_from_gib(row.system_gib, "not_in_source");
  stage.counters.sm_active = counter(row.sm_percent, row.seconds);
  stage.counters.gpu_busy = counter(row.busy_percent, row.seconds);
  stage.counters.tensor_active = counter(row.tensor_percent, row.seconds);
  stage.counters.dram_active.reason = stage.counters.sm_occupancy.reason = "not_in_source";
  stage.printed = std::move(printed);
  record.stages.push_back(std::move(stage));
}

GpuInfo named_gpu(const std::string& name) {
  GpuInfo gpu;
  gpu.name = name;
  for (auto* missing :
       {&gpu.sm_count, &gpu.pcie_generation, &gpu.pcie_width, &gpu.pcie_max_generation, &gpu.pcie_max_width}) {
    *missing = absent<int64_t>("not_in_source");
  }
  gpu.memory_bytes = absent<uint64_t>("not_in_source");
  return gpu;
}

RunRecord imported_record(const std::string& file, const std::string& format) {
  RunRecord record;
  record.imported = ImportInfo{};
  record.imported->file = file;
  record.imported->format = format;
  record.run_case.suite = "imported";
  record.engine.kind = EngineKind::kImported;
  record.execution = absent<Execution>("imported");
  record.predicted_peak_bytes = absent<uint64_t>("imported");
  record.overhead_percent = absent<double>("not_in_source");
  record.clock.gpu_residual_ns = absent<int64_t>("not_in_source");
  return record;
}

void add_total(RunRecord& record, double seconds) {
  OriginalStage total;
  total.name = kTotalName;
  total.seconds = seconds;
  add_stage(record, total, {});
  record.engine.marker_source = "total";
}

void finish_record(RunRecord& record) {
  // The total first, as in our own records.
  std::stable_partition(record.stages.begin(), record.stages.end(),
                        [](const StageRecord& s) { return s.kind == StageKind::kParent; });
  Workload& workload = record.workload;
  int64_t steps = 0;
  bool any_tensor = false;
  for (const StageRecord& stage : record.stages) {
    steps = std::max(steps, stage.index + 1);
    any_tensor = any_tensor || stage.counters.tensor_active.mean_percent.value_or(0) > 0;
    if (stage.name == "TI2V_Preprocess") workload.task = "ti2v";
    if (stage.name == "T2V_Preprocess") workload.task = "t2v";
    if (stage.name == "I2V_Preprocess") workload.task = "i2v";
    // A long text encoding during which the card did nothing ran on the CPU.
    if (stage.name == "T5_Encoding" && stage.wall_ns >= 1'000'000'000 && stage.counters.sm_active.mean_percent == 0.0) {
      workload.text_encoder_device = "cpu";
    }
  }
  if (std::any_of(record.stages.begin(), record.stages.end(), starts_with_step)) workload.steps = steps;
  if (workload.task == "ti2v") workload.model = "ti2v-5B";
  if (workload.task == "t2v") workload.model = "t2v-A14B";
  if (workload.task == "i2v") workload.model = "i2v-A14B";
  workload.scope = RunScope::kCold;
  if (!any_tensor) {
    for (StageRecord& stage : record.stages) {
      Counter& tensor = stage.counters.tensor_active;
      if (tensor.mean_percent) tensor = {std::nullopt, "printed_zero", "", 0, 0};
    }
  }
  double together_s = 0;
  for (const StageRecord& stage : record.stages) together_s += static_cast<double>(stage.wall_ns) * 1e-9;
  require_within(record, "all", "seconds", together_s, kMostTogether);
  record.engine.name = "Wan2.2 original (Python)";
  record.engine.device = "cuda:0";
  record.engine.marker_source = "original";
}

}  // namespace wan
