// CSV export: one table of columns, each a name with unit and a way to print it.
#include "results/csv.h"

#include <fmt/format.h>

#include <algorithm>
#include <functional>

namespace wan {
namespace {

using LeftOut = std::map<std::string, std::string>;

struct Column {
  const char* name;
  std::function<std::string(const RunRecord&, const StageRecord&)> cell;
};

std::string text(const std::string& value) {
  if (value.find_first_of(",\"\n\r") == std::string::npos) return value;
  std::string out = "\"";
  for (const char c : value) {
    if (c == '"') out.push_back('"');
    out.push_back(c);
  }
  out.push_back('"');
  return out;
}

template <class T>
std::string number(const std::optional<T>& value) {
  return value ? fmt::format("{}", *value) : "";
}

template <class T>
Column stage_value(const char* name, Measured<T> StageRecord::*member) {
  return {name, [member](const RunRecord&, const StageRecord& s) { return number((s.*member).value); }};
}

Column counter(const char* name, Counter Counters::*member) {
  return {name, [member](const RunRecord&, const StageRecord& s) { return number((s.counters.*member).mean_percent); }};
}

template <class T>
Column workload_value(const char* name, std::optional<T> Workload::*member) {
  return {name, [member](const RunRecord& r, const StageRecord&) { return number(r.workload.*member); }};
}

/// Names by ';', each once, in order.
std::string joined(const std::vector<std::string>& names) {
  std::string out;
  for (auto name = names.begin(); name != names.end(); ++name)
    if (std::find(names.begin(), name, *name) == name) out.append(out.empty() ? "" : ";").append(*name);
  return text(out);
}

std::string flags_of(const RunRecord& run) {
  std::vector<std::string> names;
  for (const ValidityFlag& flag : run.validity) names.push_back(flag.name);
  return joined(names);
}

/// Why a run enters no estimate, as select_valid says it; empty: it does.
std::string not_counted_because(const RunRecord& run, const LeftOut& left_out) {
  if (const auto found = left_out.find(run.id); found != left_out.end()) return found->second;
  return reason_not_counted(run);
}

std::vector<Column> run_columns(const LeftOut& left_out) {
  using R = const RunRecord&;
  using S = const StageRecord&;
  return {
      {"run_id", [](R r, S) { return text(r.id); }},
      {"created_utc", [](R r, S) { return text(r.created_utc); }},
      {"suite", [](R r, S) { return text(r.run_case.suite); }},
      {"case", [](R r, S) { return text(r.run_case.name); }},
      {"arm", [](R r, S) { return text(r.run_case.arm); }},
      {"repeat", [](R r, S) { return fmt::format("{}", r.run_case.repeat); }},
      {"warmup", [](R r, S) { return std::string(r.run_case.warmup ? "1" : "0"); }},
      {"status", [](R r, S) { return std::string(to_string(r.status)); }},
      {"counts", [&left_out](R r, S) { return std::string(not_counted_because(r, left_out).empty() ? "yes" : "no"); }},
      {"not_counted_because", [&left_out](R r, S) { return text(not_counted_because(r, left_out)); }},
      {"flags", [](R r, S) { return flags_of(r); }},
      {"scope", [](R r, S) { return std::string(to_string(r.workload.scope)); }},
      {"page_cache", [](R r, S) { return std::string(to_string(r.workload.page_cache)); }},
      {"precision_class", [](R r, S) { return std::string(to_string(r.workload.precision_class)); }},
      {"engine", [](R r, S) { return text(r.engine.name); }},
      {"git_commit", [](R r, S) { return text(r.tool.git_commit); }},
      {"gpu", [](R r, S) { return r.system.gpus.empty() ? "" : text(r.system.gpus[0].name); }},
      {"gpu_uuid", [](R r, S) { return r.system.gpus.empty() ? "" : text(r.system.gpus[0].uuid); }},
      {"cpu", [](R r, S) { return text(r.system.cpu_model); }},
      {"model", [](R r, S) { return text(r.workload.model); }},
      workload_value("width", &Workload::width),
      workload_value("height", &Workload::height),
      workload_value("num_frames", &Workload::num_frames),
      workload_value("steps", &Workload::steps),
      {"workload_key", [](R r, S) { return text(r.workload_key); }},
  };
}

std::vector<Column> stage_columns() {
  using R = const RunRecord&;
  using S = const StageRecord&;
  return {
      {"stage", [](R, S s) { return text(s.id); }},
      {"kind", [](R, S s) { return std::string(to_string(s.kind)); }},
      {"stage_flags", [](R, S s) { return joined(s.flags); }},
      {"wall_ns", [](R, S s) { return fmt::format("{}", s.wall_ns); }},
      stage_value("begin_ns", &StageRecord::begin_ns),
      stage_value("gpu_ns", &StageRecord::gpu_ns),
      stage_value("exposed_copy_ns", &StageRecord::exposed_copy_ns),
      stage_value("hidden_copy_ns", &StageRecord::hidden_copy_ns),
      stage_value("moved_bytes", &StageRecord::moved_bytes),
      stage_value("flops", &StageRecord::flops),
      stage_value("cpu_core_ns", &StageRecord::cpu_core_ns),
      stage_value("read_bytes", &StageRecord::read_bytes),
      {"host_process_peak_bytes", [](R, S s) { return number(s.host_memory.process_peak_bytes.value); }},
      {"host_system_used_peak_bytes", [](R, S s) { return number(s.host_memory.system_used_peak_bytes.value); }},
      {"device_process_peak_bytes", [](R, S s) { return number(s.device_memory.process_peak_bytes.value); }},
      {"device_pool_peak_bytes", [](R, S s) { return number(s.device_memory.pool_peak_bytes.value); }},
      counter("sm_active_percent", &Counters::sm_active),
      counter("tensor_active_percent", &Counters::tensor_active),
      counter("dram_active_percent", &Counters::dram_active),
      counter("sm_occupancy_percent", &Counters::sm_occupancy),
      counter("gpu_busy_percent", &Counters::gpu_busy),
      {"sm_clock_median_mhz",
       [](R, S s) { return s.sm_clock_mhz.has() ? fmt::format("{}", s.sm_clock_mhz.value->median) : ""; }},
      stage_value("power_mean_w", &StageRecord::power_mean_w),
      stage_value("energy_j", &StageRecord::energy_j),
  };
}

}  // namespace

std::string to_csv(const std::vector<const RunRecord*>& records, const LeftOut& left_out) {
  std::vector<Column> columns = run_columns(left_out);
  for (Column& column : stage_columns()) columns.push_back(std::move(column));
  fmt::memory_buffer out;
  const auto line = [&](const auto& cell) {
    for (size_t i = 0; i < columns.size(); ++i) {
      fmt::format_to(fmt::appender(out), "{}{}", cell(columns[i]), i + 1 < columns.size() ? ',' : '\n');
    }
  };
  line([](const Column& column) { return std::string(column.name); });
  const StageRecord none;  // a run that saw no stage (crashed at start) still has its row
  for (const RunRecord* record : records) {
    for (const StageRecord& stage : record->stages) {
      line([&](const Column& column) { return column.cell(*record, stage); });
    }
    if (record->stages.empty()) line([&](const Column& column) { return column.cell(*record, none); });
  }
  return fmt::to_string(out);
}

}  // namespace wan
