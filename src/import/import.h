// Results of other programs, brought in as records: printed values kept as printed, every contradiction listed, and of
// the Python original every aggregate recomputed. Inputs are untrusted: sizes are bounded and errors name the line or
// the key.
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

enum class ImportFormat {
  kNone,          // of another program, or damaged beyond telling
  kSeedMarkdown,  // the original's Markdown report
  kOriginalJson,  // its JSON report
  kMlperfSummary,
  kComfyResults,
};

/// What a report is, by its content alone.
ImportFormat format_of(std::string_view text);

/// Whether a file is small enough for a report and of a format that is read. Throws Error(kInput) when it cannot be
/// read.
bool is_report(const std::filesystem::path& file);

/// Reads a report and adds the findings. Throws Error(kInput) naming file and place when it is of no format that is
/// read, or damaged.
std::vector<RunRecord> import_file(const std::filesystem::path& file, const ImportOptions& options = {});

/// The readers; those of the original's reports leave the findings to add_findings. `file_name` is for messages and
/// provenance.
std::vector<RunRecord> read_seed_markdown(std::string_view text, const std::string& file_name);
RunRecord read_original_json(std::string_view text, const std::string& file_name, const ImportOptions& options = {});
std::vector<RunRecord> read_mlperf_summary(std::string_view text, const std::string& file_name);
RunRecord read_comfy_results(std::string_view text, const std::string& file_name, const ImportOptions& options = {});

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

/// Adds to each record of the original what contradicts it: within the run, and between runs of the same file.
void add_findings(std::vector<RunRecord>& records);

}  // namespace wan
