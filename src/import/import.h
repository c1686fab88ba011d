// Results of the Python original, brought in as records: printed values kept as printed, every aggregate recomputed,
// every contradiction listed. Inputs are untrusted: sizes are bounded and errors name the line or the key.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "results/record.h"

namespace wan {

struct ImportOptions {
  // For JSON reports, which describe one run: instead of the file's name, and of the GPU named in it.
  std::string case_name;
  std::string gpu_name;
};

/// Reads a Markdown report ("#### Case:" sections) or a JSON report of the original, told apart by content, and adds
/// the findings. Throws Error(kInput) naming file and place when it is neither, or damaged.
std::vector<RunRecord> import_file(const std::filesystem::path& file, const ImportOptions& options = {});

/// The two readers, without findings. `file_name` is for messages and provenance.
std::vector<RunRecord> read_seed_markdown(std::string_view text, const std::string& file_name);
RunRecord read_original_json(std::string_view text, const std::string& file_name, const ImportOptions& options = {});

/// Aggregates of one imported run, from its own rows. Loads in percent-seconds, as the original counts them.
struct Recomputed {
  double leaf_load = 0;    // all rows but Total_Execution
  double total_load = 0;   // Total_Execution's own
  double header_load = 0;  // printed total, 0 where none is printed
  double leaves_s = 0, total_s = 0, unattributed_s = 0;
  double header_s = 0;              // printed total duration
  double whole_run_sm_percent = 0;  // Total_Execution's
  double checked_sm_percent = 0;    // what the original's utilisation check divided: header load over duration
  int64_t steps = 0;
  double average_step_s = 0, average_sm_percent = 0, average_cpu_percent = 0, inference_load = 0;
  double gpu_part_s = 0;  // steps and VAE decoding
  double peak_gib = 0;
};
Recomputed recompute(const RunRecord& record);

/// Adds to each record what contradicts it: within the run, and between runs of the same file.
void add_findings(std::vector<RunRecord>& records);

}  // namespace wan
