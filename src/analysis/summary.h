// Many runs of one case on one machine: which count, and an estimate for each column of each stage.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "analysis/breakdown.h"
#include "analysis/estimate.h"
#include "analysis/workload_diff.h"
#include "results/record.h"
#include "results/steps.h"

namespace wan {

/// The engine's fact of a run beside which others of its launcher may have been on the same machine: who they were.
/// Such runs share no estimate with lone ones.
inline constexpr const char* kCompanyFact = "company";

/// Runs that may be put in one estimate: same workload and execution, engine, device, company and arm.
struct RunGroup {
  std::string case_name;
  std::string workload_key;
  std::string device;  // GPU name, or the CPU's
  std::string engine;
  std::string arm;
  std::string output;  // whether they wrote a video: output_kind of those that tell
  Measured<Execution> execution = absent<Execution>("not_recorded");  // of those that tell
  std::vector<const RunRecord*> runs;                                 // all of them, by created_utc, then repeat
  std::vector<const RunRecord*> judged;  // made to be compared, of this work in either scope; among no group's `runs`
                                         // but where nothing else was made of their work
  bool in_company = false;               // others may have been on the machine (kCompanyFact)
  bool has_both_outputs = false;         // another group differs by the output alone
  std::vector<FieldDifference> other_ways;  // how the first group of the same work decided (`a`), and this one (`b`)
};

/// Splits records into groups: machine by machine in order of first appearance, there by the case's name (numbers in it
/// by value), cold before warm; a run that cannot tell whether it wrote a video, or that failed before its execution
/// was decided, goes with the first group it fits otherwise. Runs that ended well without saying how they were executed
/// (records before 1.2) stay together. Runs with fidelity stand beside the groups whose work they judge. Points into
/// `records`.
std::vector<RunGroup> group_runs(const std::vector<const RunRecord*>& records);

/// Why the runs of a group may not be alike although they share an estimate: several builds of the program, or records
/// that do not say how they were executed and show that it differed, or several cards, with what their mean is then
/// (card_effect.h). One sentence each, without a full stop.
std::vector<std::string> pooling_doubts(const RunGroup& group);

struct Exclusion {
  const RunRecord* run = nullptr;
  std::string reason;  // "status oom", "warmup", "flag foreign_gpu_process: ...", "flag low_clock: ..."
};

struct Selection {
  std::vector<const RunRecord*> used;
  std::vector<Exclusion> excluded;
};

/// Runs that enter estimates. Left out: not ok, warm-ups, runs with an excluding flag, and runs whose steady SM clock
/// is below 90 % of the group's median.
Selection select_valid(const std::vector<const RunRecord*>& runs);
/// The runs of any cases that enter no estimate: id and reason, what the other runs of their group show included.
std::map<std::string, std::string> reasons_not_counted(const std::vector<const RunRecord*>& records);

/// One row of a stage table. Its quantities are filled from the list of columns (stage_columns.h).
struct StageSummary {
  std::string id, name;
  StageKind kind = StageKind::kLeaf;
  StageRole role = StageRole::kOther;
  int64_t index = -1;
  int64_t count = 1;  // spans that it sums up
  Quantity wall_s, exposed_copy_s, hidden_copy_s;
  Quantity gpu_s;               // of stages that compute on the card; of the total, the GPU part
  std::optional<double> share;  // of the total's median; leaves and Unattributed only
  Quantity cpu_cores;           // core-seconds over wall
  Quantity cpu_percent;         // of the allowed cores
  Quantity host_process_peak_bytes, host_system_peak_bytes;
  Quantity device_process_peak_bytes, device_pool_peak_bytes;
  Quantity sm_active_percent, tensor_active_percent, dram_active_percent, sm_occupancy_percent, gpu_busy_percent;
  Quantity sm_clock_mhz, power_w, energy_j;
  Quantity sm_seconds;  // SM activity times wall time: the stage's compute load
  Quantity flops, achieved_tflops;
  Quantity read_bytes, moved_bytes;
};

struct CaseSummary {
  RunGroup group;
  Selection selection;
  const RunRecord* example = nullptr;       // a used run, else any: for the workload, system and engine columns
  std::vector<const RunRecord*> described;  // whose numbers these are: the used runs, or one that failed (describe)
  std::vector<StageSummary> stages;         // the record's order, then Unattributed, then Total_Execution
  Quantity total_s, warm_total_s, steps_s, steady_step_s, gpu_part_s, host_part_s;
  Quantity unattributed_share;
  Quantity energy_j;           // whole run
  Quantity peak_device_bytes;  // process footprint; else pool; else device, said in `source`
  Quantity peak_host_bytes;
  Quantity sm_seconds;                  // integral of SM activity over leaves, in SM-busy seconds of the whole card
  std::vector<StepSeries> step_series;  // one for each described run that has steps
  bool converged = false;
  std::vector<std::string> not_converged;  // which scope misses its target, with numbers

  const StageSummary* stage(const std::string& id) const;
};

/// With no valid run the summary has the group, the exclusions and no stages.
CaseSummary summarise(const RunGroup& group, const EstimateOptions& options = {});

/// The numbers of one run of the group that enters no estimate: its stages as far as they went. No run is used in it.
CaseSummary describe(const RunGroup& group, const RunRecord& run);

/// What tells a case's runs from others under its name: " (warm)", " (empty page cache)", " (in company)", " [arm]";
/// empty for cold runs whose page cache was not emptied. A group of the same work that was executed another way than
/// the first names how: " (residency stream)".
std::string circumstances(const CaseSummary& summary);

/// An estimate of `get(run)` over the runs that have it; a reason when none has.
template <class Get>
Quantity quantity_over(const std::vector<const RunRecord*>& runs, const EstimateOptions& options, Get get) {
  std::vector<double> values;
  Quantity out;
  for (const RunRecord* run : runs) {
    const Measured<double> value = get(*run);
    if (value.has()) {
      values.push_back(*value.value);
      out.source = value.source;
    } else if (out.reason.empty()) {
      out.reason = value.reason;
    }
  }
  if (values.empty()) {
    if (out.reason.empty()) out.reason = "not_measured";
    return out;
  }
  out.reason.clear();
  out.estimate = estimate(values, options);
  return out;
}

}  // namespace wan
