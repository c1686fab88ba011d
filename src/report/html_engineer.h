// The engineer's part of a case's data. Internal to the HTML report.
#pragma once

#include <nlohmann/json_fwd.hpp>

#include "report/html_case.h"

namespace wan::report {

nlohmann::json stage_table_data(const CaseSummary& summary);
nlohmann::json timeline_data(const RunRecord& run, const SampleSet* samples);
nlohmann::json steps_data(const std::vector<const RunRecord*>& runs);
nlohmann::json roofline_data(const CaseSummary& summary, const CardPeak* peak);
nlohmann::json memory_data(const RunRecord& run);
nlohmann::json analysis_data(const BottleneckReport& report);

}  // namespace wan::report
