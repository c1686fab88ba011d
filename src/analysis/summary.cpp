// Grouping, validity and estimates by stage.
#include "analysis/summary.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <map>
#include <set>
#include <string_view>
#include <unordered_map>
#include <utility>

#include "analysis/card_effect.h"
#include "analysis/memory.h"
#include "analysis/stage_columns.h"
#include "analysis/workload_diff.h"
#include "results/convergence.h"
#include "results/device_name.h"

namespace wan {
namespace {

constexpr double kLowClock = 0.9;   // of the group's median SM clock
constexpr double kSamePeak = 0.02;  // of the larger: peaks nearer than this may come from one way of executing
constexpr double kGiB = 1024.0 * 1024.0 * 1024.0;

/// Median over steps of the median SM clock, where it was sampled.
std::optional<double> steady_clock_mhz(const RunRecord& record) {
  std::vector<double> clocks;
  for (const StageRecord& stage : record.stages) {
    if (stage.kind == StageKind::kLeaf && stage.role == StageRole::kStepInference && stage.index != 0 &&
        stage.sm_clock_mhz.has()) {
      clocks.push_back(stage.sm_clock_mhz.value->median);
    }
  }
  if (clocks.empty()) return std::nullopt;
  return median(clocks);
}

Measured<double> bytes_of(const Measured<uint64_t>& value) {
  if (!value.has()) return absent<double>(value.reason.empty() ? "not_measured" : value.reason);
  return measured(static_cast<double>(*value.value), value.source);
}

/// The runs' stages by id.
class StageIndex {
 public:
  explicit StageIndex(const std::vector<const RunRecord*>& runs) : runs_(runs) {
    for (const RunRecord* run : runs)
      for (const StageRecord& stage : run->stages) stages_[run].try_emplace(stage.id, &stage);
  }

  /// An estimate of a column over the stage of that id in each run.
  Quantity over(const StageColumn& column, const std::string& id, const EstimateOptions& options) const {
    return quantity_over(runs_, options, [&](const RunRecord& run) {
      const auto& stages = stages_.at(&run);
      const auto stage = stages.find(id);
      if (stage == stages.end()) return absent<double>("stage_absent");
      Measured<double> value = column.value(run, *stage->second);
      if (value.has()) *value.value *= column.to_si;
      return value;
    });
  }

 private:
  const std::vector<const RunRecord*>& runs_;
  std::map<const RunRecord*, std::unordered_map<std::string_view, const StageRecord*>> stages_;
};

StageSummary stage_summary(const StageRecord& like, const StageIndex& index, const EstimateOptions& options) {
  StageSummary out;
  out.id = like.id;
  out.name = like.name;
  out.kind = like.kind;
  out.role = like.role;
  out.index = like.index;
  out.count = like.count;
  for (const StageColumn& column : stage_columns())
    if (column.over_runs != nullptr) out.*column.over_runs = index.over(column, like.id, options);
  return out;
}

/// Device time of a stage that does not compute on the card is only how far apart two events were; of the total it is
/// the GPU part, where the card's time is known at all.
void mend_device_time(CaseSummary& out) {
  bool known = false;
  for (StageSummary& stage : out.stages) {
    if (stage.kind != StageKind::kLeaf) continue;
    if (computes_on_gpu(*out.example, stage.role)) {
      known = known || stage.gpu_s.has();
    } else {
      stage.gpu_s = {};
      stage.gpu_s.reason = "the stage does not compute on the GPU";
    }
  }
  for (StageSummary& stage : out.stages)
    if (stage.kind == StageKind::kParent && known) stage.gpu_s = out.gpu_part_s;
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
      const Measured<double> value = bytes_of(stage.device_memory.*member);
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
    const Measured<double> value = bytes_of(stage.host_memory.process_peak_bytes);
    if (value.has() && (!best.has() || *value.value > *best.value)) best = value;
    if (!best.has()) best.reason = value.reason;
  }
  return best;
}

Measured<double> energy_of(const RunRecord& run) {
  const StageRecord* total = total_stage(run);
  if (total == nullptr) return absent<double>("no_total");
  return total->energy_j.has() || !total->energy_j.reason.empty() ? total->energy_j : absent<double>("not_measured");
}

Measured<double> seconds_or_absent(const std::optional<int64_t>& ns) {
  return ns ? measured(static_cast<double>(*ns) * 1e-9, "clock") : absent<double>("stage_absent");
}

void add_scopes(CaseSummary& out, const EstimateOptions& options) {
  const auto& runs = out.described;
  const auto over = [&](auto get) { return quantity_over(runs, options, get); };
  out.total_s = over([](const RunRecord& r) { return seconds_or_absent(scopes(r).total_ns); });
  out.warm_total_s = over([](const RunRecord& r) { return seconds_or_absent(scopes(r).warm_total_ns); });
  out.steps_s = over([](const RunRecord& r) { return seconds_or_absent(scopes(r).steps_ns); });
  out.gpu_part_s = over([](const RunRecord& r) { return seconds_or_absent(scopes(r).gpu_part_ns); });
  out.host_part_s = over([](const RunRecord& r) { return seconds_or_absent(scopes(r).host_part_ns); });
  out.steady_step_s = over([](const RunRecord& r) {
    const std::optional<StepSeries> steps = step_series(r);
    return steps ? measured(steps->steady_median_s, "clock") : absent<double>("stage_absent");
  });
  out.unattributed_share =
      over([](const RunRecord& r) { return measured(break_down(r).unattributed_share(), "clock"); });
  out.energy_j = over(energy_of);
  out.peak_device_bytes = over(peak_device_bytes);
  out.peak_host_bytes = over(peak_host_bytes);
  out.sm_seconds = over(sm_seconds);
  for (const RunRecord* run : runs) {
    if (auto steps = step_series(*run)) out.step_series.push_back(std::move(*steps));
  }
}

void add_stages(CaseSummary& out, const EstimateOptions& options) {
  const auto& runs = out.described;
  const StageIndex index(runs);
  const StageRecord* total = nullptr;
  for (const StageRecord& stage : out.example->stages) {
    if (stage.kind == StageKind::kParent) {
      total = &stage;
    } else if (stage.name != kUnattributedName) {
      out.stages.push_back(stage_summary(stage, index, options));
    }
  }
  StageSummary rest;
  rest.id = rest.name = kUnattributedName;
  rest.wall_s = quantity_over(runs, options, [](const RunRecord& r) {
    return measured(static_cast<double>(break_down(r).unattributed_ns) * 1e-9, "clock");
  });
  out.stages.push_back(rest);
  if (total != nullptr) out.stages.push_back(stage_summary(*total, index, options));
  for (StageSummary& stage : out.stages) {
    if (stage.kind == StageKind::kLeaf && stage.wall_s.has() && out.total_s.median() > 0) {
      stage.share = stage.wall_s.median() / out.total_s.median();
    }
  }
  mend_device_time(out);
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

bool decided(const RunRecord& record) { return record.execution.has() || record.status == RunStatus::kOk; }

bool in_company(const RunRecord& record) { return record.engine.facts.contains(kCompanyFact); }

/// Whether the record's runs may share an estimate with the group's.
bool fits(const RunRecord& record, const RunGroup& group) {
  const std::string output = output_kind(record);
  const bool same_output = group.output == output || group.output.empty() || output.empty();
  if (group.case_name != record.run_case.name || group.device != device_name(record) ||
      group.engine != record.engine.name || group.arm != record.run_case.arm || !same_output ||
      group.in_company != in_company(record))
    return false;
  const RunRecord& other = *group.runs.front();
  const bool both_say = group.execution.has() && record.execution.has();
  if (both_say) return group.execution.value == record.execution.value && same_work(other.workload, record.workload);
  const bool group_decided =
      std::any_of(group.runs.begin(), group.runs.end(), [](const RunRecord* run) { return decided(*run); });
  if (!decided(record) || !group_decided)
    return same_work(other.workload, record.workload) && gpu_memory_limit(other) == gpu_memory_limit(record);
  const bool neither_says = !group.execution.has() && !record.execution.has();
  return neither_says && group.workload_key == record.workload_key;
}

/// Adds it to the group that it fits, which is made where there is none.
RunGroup& put_in(const RunRecord& record, std::vector<RunGroup>& groups) {
  auto found = std::find_if(groups.begin(), groups.end(), [&](const RunGroup& group) { return fits(record, group); });
  if (found == groups.end()) {
    RunGroup& group = groups.emplace_back();
    group.case_name = record.run_case.name;
    group.workload_key = record.workload_key;
    group.device = device_name(record);
    group.engine = record.engine.name;
    group.arm = record.run_case.arm;
    group.in_company = in_company(record);
    found = groups.end() - 1;
  }
  if (found->output.empty()) found->output = output_kind(record);
  if (!found->execution.has() && record.execution.has()) {
    found->execution = record.execution;
    found->workload_key = record.workload_key;
  }
  found->runs.push_back(&record);
  return *found;
}

/// Whether the record, which was made to be compared, says something of the group's videos: the same work on the same
/// card, first video of its process or not.
enum class Executed { kAlike, kAnyHow };
bool judges(const RunRecord& record, const RunGroup& group, Executed executed) {
  if (group.case_name != record.run_case.name || group.device != device_name(record) ||
      group.engine != record.engine.name || group.arm != record.run_case.arm)
    return false;
  const bool both_say = group.execution.has() && record.execution.has();
  if (executed == Executed::kAlike && both_say && group.execution.value != record.execution.value) return false;
  Workload work = group.runs.front()->workload;
  work.scope = record.workload.scope;
  work.page_cache = record.workload.page_cache;
  return same_work(work, record.workload);
}

/// Puts it beside the groups whose work it judges. False: there are none.
bool put_beside(const RunRecord& record, std::vector<RunGroup>& groups) {
  bool any = false;
  for (const Executed executed : {Executed::kAlike, Executed::kAnyHow}) {
    for (RunGroup& group : groups) {
      if (!judges(record, group, executed)) continue;
      group.judged.push_back(&record);
      any = true;
    }
    if (any) break;
  }
  return any;
}

bool same_but_output(const RunGroup& a, const RunGroup& b) {
  return a.case_name == b.case_name && a.device == b.device && a.engine == b.engine && a.arm == b.arm &&
         a.in_company == b.in_company && same_work(a.runs[0]->workload, b.runs[0]->workload);
}

/// What a title must say of a group, because another one has the same case.
void tell_apart(std::vector<RunGroup>& groups) {
  for (RunGroup& group : groups) {
    for (const RunGroup& other : groups) {
      if (&other == &group || !same_but_output(other, group)) continue;
      const auto differences = execution_differences(other.execution, group.execution);
      group.has_both_outputs |= other.output != group.output && differences.empty();
      if (&other < &group && group.other_ways.empty()) group.other_ways = differences;
    }
  }
}

/// Machine by machine in order of first appearance, there by the case's name, cold before warm.
void put_in_order(std::vector<RunGroup>& groups) {
  std::map<std::pair<std::string, std::string>, size_t> machines;
  for (const RunGroup& group : groups) machines.try_emplace({group.device, group.engine}, machines.size());
  std::stable_sort(groups.begin(), groups.end(), [&](const RunGroup& a, const RunGroup& b) {
    const size_t machine_a = machines.at({a.device, a.engine}), machine_b = machines.at({b.device, b.engine});
    if (machine_a != machine_b) return machine_a < machine_b;
    const int by_name = strverscmp(a.case_name.c_str(), b.case_name.c_str());
    return by_name != 0 ? by_name < 0 : a.runs[0]->workload.scope < b.runs[0]->workload.scope;
  });
}

/// How a title names the way a group was executed: the first two fields, and how many more there are.
std::string ways_text(const std::vector<FieldDifference>& ways) {
  constexpr size_t kNamed = 2;
  std::string text;
  for (size_t i = 0; i < std::min(kNamed, ways.size()); ++i)
    text += fmt::format("{}{} {}", i == 0 ? "" : ", ", ways[i].field, ways[i].b);
  if (ways.size() > kNamed) text += fmt::format(" and {} more", ways.size() - kNamed);
  return text;
}

}  // namespace

std::vector<RunGroup> group_runs(const std::vector<const RunRecord*>& records) {
  std::vector<RunGroup> groups;
  for (const RunRecord* record : records)
    if (!record->fidelity) put_in(*record, groups);
  const size_t timed = groups.size();
  for (const RunRecord* record : records) {
    if (!record->fidelity || put_beside(*record, groups)) continue;
    RunGroup& own = put_in(*record, groups);
    own.judged.push_back(record);
  }
  for (size_t i = timed; i < groups.size(); ++i) groups[i].runs = groups[i].judged;
  for (RunGroup& group : groups)
    for (std::vector<const RunRecord*>* runs : {&group.runs, &group.judged})
      std::stable_sort(runs->begin(), runs->end(), [](const RunRecord* a, const RunRecord* b) {
        return std::tie(a->created_utc, a->run_case.repeat) < std::tie(b->created_utc, b->run_case.repeat);
      });
  tell_apart(groups);
  put_in_order(groups);
  return groups;
}

std::vector<std::string> pooling_doubts(const RunGroup& group) {
  std::vector<std::string> doubts;
  std::set<std::string> builds, counted_builds;
  uint64_t least = UINT64_MAX, most = 0;
  bool silent = false;
  for (const RunRecord* run : group.runs) {
    if (run->run_case.warmup) continue;
    builds.insert(build_text(run->tool));
    if (!reason_not_counted(*run).empty()) continue;
    counted_builds.insert(build_text(run->tool));
    silent |= !run->execution.has() && run->engine.kind == EngineKind::kNative;
    for (const StageRecord& stage : run->stages)
      if (stage.kind == StageKind::kParent && stage.device_memory.pool_peak_bytes.has()) {
        least = std::min(least, *stage.device_memory.pool_peak_bytes.value);
        most = std::max(most, *stage.device_memory.pool_peak_bytes.value);
      }
  }
  if (counted_builds.size() > 1)
    doubts.push_back(fmt::format("runs of {} builds share this estimate: {}", counted_builds.size(),
                                 fmt::join(counted_builds, "; ")));
  else if (builds.size() > 1)
    doubts.push_back(
        fmt::format("runs of {} builds stand here: {}; {}", builds.size(), fmt::join(builds, "; "),
                    counted_builds.empty() ? "none counts" : "those that count are of " + *counted_builds.begin()));
  // The engine's own peak follows from what it decided: where it differs, they were not executed alike.
  if (silent && most > least && double(most - least) > kSamePeak * double(most))
    doubts.push_back(
        fmt::format("the runs do not say how they were executed, and their own peaks of device memory "
                    "differ ({:.2f} to {:.2f} GiB)",
                    double(least) / kGiB, double(most) / kGiB));
  const std::vector<CardRuns> cards = runs_by_card(select_valid(group.runs).used);
  if (cards.size() > 1) doubts.push_back(card_effect_text(card_effect(cards, EstimateOptions{}.confidence)));
  return doubts;
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
  if (summary.group.in_company) text += " (in company)";
  if (!summary.group.other_ways.empty()) text += fmt::format(" ({})", ways_text(summary.group.other_ways));
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
  out.described = out.selection.used;
  add_scopes(out, options);
  add_stages(out, options);
  check_convergence(out);
  return out;
}

CaseSummary describe(const RunGroup& group, const RunRecord& run) {
  CaseSummary out;
  out.group = group;
  out.selection.excluded = select_valid(group.runs).excluded;
  out.example = &run;
  if (run.stages.empty()) return out;
  out.described = {&run};
  add_scopes(out, {});
  add_stages(out, {});
  return out;
}

std::map<std::string, std::string> reasons_not_counted(const std::vector<const RunRecord*>& records) {
  std::map<std::string, std::string> out;
  for (const RunGroup& group : group_runs(records))
    for (const Exclusion& exclusion : select_valid(group.runs).excluded) out[exclusion.run->id] = exclusion.reason;
  return out;
}

}  // namespace wan
