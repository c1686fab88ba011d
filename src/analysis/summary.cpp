// Grouping, validity and estimates by stage.
#include "analysis/summary.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <map>
#include <utility>

#include "analysis/workload_diff.h"
#include "results/convergence.h"

namespace wan {
namespace {

constexpr double kLowClock = 0.9;  // of the group's median SM clock

std::string device_of(const RunRecord& record) {
  return record.system.gpus.empty() || record.engine.device.starts_with("cpu") ? record.system.cpu_model
                                                                               : record.system.gpus[0].name;
}

/// Median over steps of the median SM clock, where it was sampled.
std::optional<double> steady_clock_mhz(const RunRecord& record) {
  std::vector<double> clocks;
  for (const StageRecord& stage : record.stages) {
    if (stage.kind == StageKind::kLeaf && stage_role(stage.name) == StageRole::kStepInference && stage.index != 0 &&
        stage.sm_clock_mhz.has()) {
      clocks.push_back(stage.sm_clock_mhz.value->median);
    }
  }
  if (clocks.empty()) return std::nullopt;
  return median(clocks);
}

template <class T>
Measured<double> as_double(const Measured<T>& value, double scale = 1) {
  if (!value.has()) return absent<double>(value.reason.empty() ? "not_measured" : value.reason);
  return measured(static_cast<double>(*value.value) * scale, value.source);
}

Measured<double> as_double(const Counter& counter) {
  if (!counter.mean_percent) return absent<double>(counter.reason.empty() ? "not_measured" : counter.reason);
  return measured(*counter.mean_percent, counter.source);
}

Measured<double> over_wall(const Measured<double>& amount, int64_t wall_ns) {
  if (!amount.has()) return amount;
  if (wall_ns <= 0) return absent<double>("no_time");
  return measured(*amount.value / (static_cast<double>(wall_ns) * 1e-9), amount.source);
}

/// Builds the columns of one stage from the stage of that id in each run.
class StageColumns {
 public:
  StageColumns(const std::vector<const RunRecord*>& runs, std::string id, const EstimateOptions& options)
      : runs_(runs), id_(std::move(id)), options_(options) {}

  template <class Get>
  Quantity over(Get get) const {
    return quantity_over(runs_, options_, [&](const RunRecord& run) {
      const StageRecord* stage = find_stage(run, id_);
      return stage != nullptr ? get(run, *stage) : absent<double>("stage_absent");
    });
  }
  template <class T>
  Quantity value(Measured<T> StageRecord::*member, double scale = 1) const {
    return over([=](const RunRecord&, const StageRecord& s) { return as_double(s.*member, scale); });
  }
  Quantity counter(Counter Counters::*member) const {
    return over([=](const RunRecord&, const StageRecord& s) { return as_double(s.counters.*member); });
  }
  Quantity host(Measured<uint64_t> HostMemory::*member) const {
    return over([=](const RunRecord&, const StageRecord& s) { return as_double(s.host_memory.*member); });
  }
  Quantity device(Measured<uint64_t> DeviceMemory::*member) const {
    return over([=](const RunRecord&, const StageRecord& s) { return as_double(s.device_memory.*member); });
  }

 private:
  const std::vector<const RunRecord*>& runs_;
  std::string id_;
  const EstimateOptions& options_;
};

Measured<double> cpu_percent(const RunRecord& run, const StageRecord& stage) {
  const Measured<double> cores = over_wall(as_double(stage.cpu_core_ns, 1e-9), stage.wall_ns);
  if (!cores.has()) return cores;
  if (!run.system.cores_allowed.has() || *run.system.cores_allowed.value <= 0) {
    return absent<double>("allowed_cores_not_recorded");
  }
  return measured(100 * *cores.value / static_cast<double>(*run.system.cores_allowed.value), cores.source);
}

StageSummary stage_summary(const StageRecord& like, const std::vector<const RunRecord*>& runs,
                           const EstimateOptions& options) {
  const StageColumns columns(runs, like.id, options);
  StageSummary out;
  out.id = like.id;
  out.name = like.name;
  out.kind = like.kind;
  out.role = stage_role(like.name);
  out.index = like.index;
  out.wall_s = columns.over(
      [](const RunRecord&, const StageRecord& s) { return measured(static_cast<double>(s.wall_ns) * 1e-9, "clock"); });
  out.gpu_s = columns.value(&StageRecord::gpu_ns, 1e-9);
  out.exposed_copy_s = columns.value(&StageRecord::exposed_copy_ns, 1e-9);
  out.hidden_copy_s = columns.value(&StageRecord::hidden_copy_ns, 1e-9);
  out.cpu_cores = columns.over(
      [](const RunRecord&, const StageRecord& s) { return over_wall(as_double(s.cpu_core_ns, 1e-9), s.wall_ns); });
  out.cpu_percent = columns.over(cpu_percent);
  out.host_process_peak_bytes = columns.host(&HostMemory::process_peak_bytes);
  out.host_system_peak_bytes = columns.host(&HostMemory::system_used_peak_bytes);
  out.device_process_peak_bytes = columns.device(&DeviceMemory::process_peak_bytes);
  out.device_pool_peak_bytes = columns.device(&DeviceMemory::pool_peak_bytes);
  out.sm_active_percent = columns.counter(&Counters::sm_active);
  out.tensor_active_percent = columns.counter(&Counters::tensor_active);
  out.dram_active_percent = columns.counter(&Counters::dram_active);
  out.sm_occupancy_percent = columns.counter(&Counters::sm_occupancy);
  out.gpu_busy_percent = columns.counter(&Counters::gpu_busy);
  out.sm_clock_mhz = columns.over([](const RunRecord&, const StageRecord& s) {
    return s.sm_clock_mhz.has() ? measured(s.sm_clock_mhz.value->median, s.sm_clock_mhz.source)
                                : absent<double>(s.sm_clock_mhz.reason);
  });
  out.sm_seconds = columns.over([](const RunRecord&, const StageRecord& s) {
    const Measured<double> percent = as_double(s.counters.sm_active);
    if (!percent.has()) return percent;
    return measured(*percent.value * 0.01 * static_cast<double>(s.wall_ns) * 1e-9, percent.source);
  });
  out.power_w = columns.value(&StageRecord::power_mean_w);
  out.energy_j = columns.value(&StageRecord::energy_j);
  out.flops = columns.value(&StageRecord::flops);
  out.achieved_tflops = columns.over([](const RunRecord&, const StageRecord& s) {
    return over_wall(as_double(s.flops, 1e-12), s.gpu_ns.has() && *s.gpu_ns.value > 0 ? *s.gpu_ns.value : s.wall_ns);
  });
  out.read_bytes = columns.value(&StageRecord::read_bytes);
  out.moved_bytes = columns.value(&StageRecord::moved_bytes);
  return out;
}

/// SM-busy seconds: SM activity times time over the leaves. Leaves without a reading make it absent when they are more
/// than 1 % of the leaves' time, for the sum would be too small.
Measured<double> sm_seconds(const RunRecord& run) {
  const Breakdown parts = break_down(run);
  double busy = 0;
  int64_t unread_ns = 0;
  std::string source, reason = "not_measured";
  for (const StageRecord* leaf : parts.leaves) {
    const Counter& sm = leaf->counters.sm_active;
    if (sm.mean_percent) {
      busy += *sm.mean_percent * 0.01 * static_cast<double>(leaf->wall_ns) * 1e-9;
      source = sm.source;
    } else {
      unread_ns += leaf->wall_ns;
      if (!sm.reason.empty()) reason = sm.reason;
    }
  }
  if (source.empty() || unread_ns * 100 > parts.leaves_ns) return absent<double>(reason);
  return measured(busy, source);
}

Measured<double> peak_device_bytes(const RunRecord& run) {
  const auto largest = [&](Measured<uint64_t> DeviceMemory::*member) {
    Measured<double> best = absent<double>("not_measured");
    for (const StageRecord& stage : run.stages) {
      const Measured<double> value = as_double(stage.device_memory.*member);
      if (value.has() && (!best.has() || *value.value > *best.value)) best = value;
      if (!best.has()) best.reason = value.reason;
    }
    return best;
  };
  Measured<double> best = largest(&DeviceMemory::process_peak_bytes);
  if (best.has()) return best;
  const Measured<double> pool = largest(&DeviceMemory::pool_peak_bytes);
  if (pool.has()) return measured(*pool.value, fmt::format("{} (own pool)", pool.source));
  const Measured<double> device = largest(&DeviceMemory::device_peak_bytes);
  if (device.has()) return measured(*device.value, fmt::format("{} (whole card)", device.source));
  return best;
}

Measured<double> peak_host_bytes(const RunRecord& run) {
  Measured<double> best = absent<double>("not_measured");
  for (const StageRecord& stage : run.stages) {
    const Measured<double> value = as_double(stage.host_memory.process_peak_bytes);
    if (value.has() && (!best.has() || *value.value > *best.value)) best = value;
    if (!best.has()) best.reason = value.reason;
  }
  return best;
}

Measured<double> energy_of(const RunRecord& run) {
  const StageRecord* total = total_stage(run);
  return total != nullptr ? as_double(total->energy_j) : absent<double>("no_total");
}

Measured<double> seconds_or_absent(const std::optional<int64_t>& ns) {
  return ns ? measured(static_cast<double>(*ns) * 1e-9, "clock") : absent<double>("stage_absent");
}

void add_scopes(CaseSummary& out, const EstimateOptions& options) {
  const auto& runs = out.selection.used;
  const auto over = [&](auto get) { return quantity_over(runs, options, get); };
  out.total_s = over([](const RunRecord& r) { return seconds_or_absent(scopes(r).total_ns); });
  out.warm_total_s = over([](const RunRecord& r) { return seconds_or_absent(scopes(r).warm_total_ns); });
  out.steps_s = over([](const RunRecord& r) { return seconds_or_absent(scopes(r).steps_ns); });
  out.gpu_part_s = over([](const RunRecord& r) { return seconds_or_absent(scopes(r).gpu_part_ns); });
  out.host_part_s = over([](const RunRecord& r) { return seconds_or_absent(scopes(r).host_part_ns); });
  out.steady_step_s = over([](const RunRecord& r) {
    const std::vector<double> steps = step_seconds(r);
    return steps.empty() ? absent<double>("stage_absent") : measured(analyse_steps(steps).steady_median_s, "clock");
  });
  out.unattributed_share =
      over([](const RunRecord& r) { return measured(break_down(r).unattributed_share(), "clock"); });
  out.energy_j = over(energy_of);
  out.peak_device_bytes = over(peak_device_bytes);
  out.peak_host_bytes = over(peak_host_bytes);
  out.sm_seconds = over(sm_seconds);
  for (const RunRecord* run : runs) {
    const std::vector<double> steps = step_seconds(*run);
    if (!steps.empty()) out.step_series.push_back(analyse_steps(steps));
  }
}

void add_stages(CaseSummary& out, const EstimateOptions& options) {
  const auto& runs = out.selection.used;
  const StageRecord* total = nullptr;
  for (const StageRecord& stage : out.example->stages) {
    if (stage.kind == StageKind::kParent) {
      total = &stage;
    } else if (stage.name != kUnattributedName) {
      out.stages.push_back(stage_summary(stage, runs, options));
    }
  }
  StageSummary rest;
  rest.id = rest.name = kUnattributedName;
  rest.wall_s = quantity_over(runs, options, [](const RunRecord& r) {
    return measured(static_cast<double>(break_down(r).unattributed_ns) * 1e-9, "clock");
  });
  out.stages.push_back(rest);
  if (total != nullptr) out.stages.push_back(stage_summary(*total, runs, options));
  for (StageSummary& stage : out.stages) {
    if (stage.kind == StageKind::kLeaf && stage.wall_s.has() && out.total_s.median() > 0) {
      stage.share = stage.wall_s.median() / out.total_s.median();
    }
  }
}

void check_convergence(CaseSummary& out) {
  for (const SettlingSeries& series : settling_series(out.selection.used)) {
    if (converged(series)) continue;
    const size_t runs = series.values.size();
    const double half = series.half_width();
    out.not_converged.push_back(runs == 1 ? fmt::format("{}: single run", series.name)
                                : half <= series.target
                                    ? fmt::format("{}: {} runs agree within {:.1f} %, {} are needed", series.name, runs,
                                                  100 * half, kMinRunsToConverge)
                                    : fmt::format("{}: {} runs agree within {:.2f} %, {:.0f} % is asked", series.name,
                                                  runs, 100 * half, 100 * series.target));
  }
  out.converged = out.not_converged.empty();
}

}  // namespace

std::vector<RunGroup> group_runs(const std::vector<const RunRecord*>& records) {
  std::vector<RunGroup> groups;
  for (const RunRecord* record : records) {
    RunGroup key{record->run_case.name,
                 record->workload_key,
                 device_of(*record),
                 record->engine.name,
                 record->run_case.arm,
                 output_kind(*record),
                 {}};
    const auto same = [&](const RunGroup& g) {
      const bool same_output = g.output == key.output || g.output.empty() || key.output.empty();
      return g.case_name == key.case_name && g.workload_key == key.workload_key && g.device == key.device &&
             g.engine == key.engine && g.arm == key.arm && same_output;
    };
    auto found = std::find_if(groups.begin(), groups.end(), same);
    if (found == groups.end()) found = groups.insert(groups.end(), std::move(key));
    if (found->output.empty()) found->output = output_kind(*record);
    found->runs.push_back(record);
  }
  for (RunGroup& group : groups) {
    group.has_both_outputs = std::any_of(groups.begin(), groups.end(), [&](const RunGroup& other) {
      return other.case_name == group.case_name && other.workload_key == group.workload_key &&
             other.device == group.device && other.engine == group.engine && other.arm == group.arm &&
             other.output != group.output;  // the only field in which they can differ then
    });
    std::stable_sort(group.runs.begin(), group.runs.end(), [](const RunRecord* a, const RunRecord* b) {
      return std::tie(a->created_utc, a->run_case.repeat) < std::tie(b->created_utc, b->run_case.repeat);
    });
  }
  std::map<std::pair<std::string, std::string>, size_t> machines;
  for (const RunGroup& group : groups) machines.try_emplace({group.device, group.engine}, machines.size());
  std::stable_sort(groups.begin(), groups.end(), [&](const RunGroup& a, const RunGroup& b) {
    const size_t machine_a = machines.at({a.device, a.engine}), machine_b = machines.at({b.device, b.engine});
    if (machine_a != machine_b) return machine_a < machine_b;
    const int by_name = strverscmp(a.case_name.c_str(), b.case_name.c_str());
    return by_name != 0 ? by_name < 0 : a.runs[0]->workload.scope < b.runs[0]->workload.scope;
  });
  return groups;
}

Selection select_valid(const std::vector<const RunRecord*>& runs) {
  Selection out;
  std::vector<double> clocks;
  for (const RunRecord* run : runs) {
    const std::string reason = reason_not_counted(*run);
    if (!reason.empty()) {
      out.excluded.push_back({run, reason});
      continue;
    }
    out.used.push_back(run);
    if (const auto clock = steady_clock_mhz(*run)) clocks.push_back(*clock);
  }
  if (clocks.size() < 3) return out;  // no typical clock to be below
  const double typical = median(clocks);
  std::erase_if(out.used, [&](const RunRecord* run) {
    const auto clock = steady_clock_mhz(*run);
    if (!clock || *clock >= kLowClock * typical) return false;
    out.excluded.push_back(
        {run,
         fmt::format("flag low_clock: steps ran at {:.0f} MHz, the group's median is {:.0f} MHz", *clock, typical)});
    return true;
  });
  return out;
}

const StageSummary* CaseSummary::stage(const std::string& id) const {
  for (const StageSummary& s : stages) {
    if (s.id == id) return &s;
  }
  return nullptr;
}

std::string circumstances(const CaseSummary& summary) {
  const Workload& work = summary.example->workload;
  std::string text;
  if (work.scope == RunScope::kWarm) text += " (warm)";
  if (work.page_cache == PageCache::kEvicted) text += " (empty page cache)";
  if (summary.group.has_both_outputs && summary.group.output == "none") text += " (no video)";
  if (!summary.group.arm.empty()) text += " [" + summary.group.arm + "]";
  return text;
}

CaseSummary summarise(const RunGroup& group, const EstimateOptions& options) {
  CaseSummary out;
  out.group = group;
  out.selection = select_valid(group.runs);
  if (out.selection.used.empty()) {
    if (!group.runs.empty()) out.example = group.runs.front();
    return out;
  }
  out.example = out.selection.used.front();
  add_scopes(out, options);
  add_stages(out, options);
  check_convergence(out);
  return out;
}

std::map<std::string, std::string> reasons_not_counted(const std::vector<const RunRecord*>& records) {
  std::map<std::string, std::string> out;
  for (const RunGroup& group : group_runs(records))
    for (const Exclusion& exclusion : select_valid(group.runs).excluded) out[exclusion.run->id] = exclusion.reason;
  return out;
}

}  // namespace wan
