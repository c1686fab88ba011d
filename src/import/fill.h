// What the importers do alike: from what a report has to the fields of a record.
#pragma once

#include <optional>
#include <string>

#include "results/record.h"

namespace wan {

/// One row of the original, in its units. Absent optional: the column is not there.
struct OriginalStage {
  std::string name;
  double seconds = 0;
  std::optional<double> peak_gib;      // torch's max_memory_allocated; its "GB" are GiB
  std::optional<double> cpu_percent;   // of the whole machine
  std::optional<double> system_gib;    // used by the whole machine
  std::optional<double> sm_percent;    // "SM activity", which may be kernel-busy time
  std::optional<double> busy_percent;  // "GPU utilization"
  std::optional<double> tensor_percent;
  std::optional<double> load;  // percent-seconds
};

/// Stages shorter than this could not be sampled by the original's monitor; what it prints for them is no reading.
inline constexpr double kShortestSampledSeconds = 0.05;

/// Adds the row as a stage; zeros that stand for "not sampled" become absent with a reason. `printed` keeps the row.
void add_stage(RunRecord& record, const OriginalStage& row, std::map<std::string, std::string> printed);

/// The card of a run of which the source says the name at most.
GpuInfo named_gpu(const std::string& name);

/// A record of one run in a file, and that no import says how it was executed or watched.
RunRecord imported_record(const std::string& file, const std::string& format);

/// The whole run as its only stage, where the source knows of none within.
void add_total(RunRecord& record, double seconds);

/// After all rows of the original: absent CPU and memory columns where the monitor had none; task, model, steps, where
/// the text encoder ran; scope cold, as the original always starts a process.
void finish_record(RunRecord& record);

}  // namespace wan
