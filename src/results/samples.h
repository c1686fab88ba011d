// The samples of a run, in a file beside its record: series of readings for timelines and traces. Estimates never use
// them; the record's stages have their values already.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "results/record.h"

namespace wan {

/// One quantity along a run. `values[i]` is the mean from `begin_ns[i]` to `end_ns[i]`, or an instant where they are
/// equal; times count from the start of Total_Execution, in order.
struct SampleSeries {
  std::string name;  // with its unit as in a record's keys: power_w, sm_clock_mhz, sm_active_percent, ...
  std::vector<int64_t> begin_ns, end_ns;
  std::vector<double> values;
  bool operator==(const SampleSeries&) const = default;
};

struct SampleSet {
  double period_ms = 0;
  std::vector<SampleSeries> series;
  bool operator==(const SampleSet&) const = default;
};

inline constexpr const char* kSamplesFormat = "wanbench.samples 1";

std::string samples_to_json(const SampleSet& samples);
/// Throws Error(kInput) naming the file when it is not such a file.
SampleSet samples_from_json(std::string_view text, const std::string& file_name);

/// Writes "<case>.<scope>.r<repeat>[.<arm>].samples.json" into `folder` and refers to it in the record, which must not
/// be sealed yet. Does nothing without samples.
void store_samples(const std::filesystem::path& folder, RunRecord& record, const SampleSet& samples);

/// The samples that the record in `record_file` refers to; nothing when it has none or the file is gone.
std::optional<SampleSet> load_samples(const std::filesystem::path& record_file, const RunRecord& record);

}  // namespace wan
