// Published MLPerf results beside the cases that did the same work, for both reports. Internal to the report.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

#include "analysis/mlperf.h"

namespace wan::report {

/// {head, notes, sources, rows}; null where no case did the work. A row: who, platform, round, cards, precision, ours,
/// and the quantities seconds, per_hour, card_seconds, queued_card_seconds.
nlohmann::json mlperf_data(const MlperfView& mlperf);

/// From "## MLPerf Text-to-Video" on; empty where no case did the work.
std::string mlperf_markdown(const MlperfView& mlperf);

}  // namespace wan::report
