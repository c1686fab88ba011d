// What both importers do alike: from columns of the original to the fields of a record.
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

/// After all rows: absent CPU and memory columns where the monitor had none; task, model, steps, where the text encoder
/// ran; scope cold, as the original always starts a process.
void finish_record(RunRecord& record);

}  // namespace wan
