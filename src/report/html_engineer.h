// The engineer's part of a case's data. Internal to the HTML report.
#pragma once

#include <nlohmann/json_fwd.hpp>

#include "report/html_case.h"

namespace wan::report {

/// Leaves and the total with all columns any of them has; parts of stages and hidden work with their times alone, those
/// of one name within a stage put together.
nlohmann::json stage_table_data(const CaseSummary& summary);
nlohmann::json timeline_data(const RunRecord& run, const SampleSet* samples, const SpanSet* spans);
/// `names`: what the page calls each run, by id.
nlohmann::json steps_data(const std::vector<const RunRecord*>& runs, const std::map<std::string, std::string>& names);
nlohmann::json roofline_data(const CaseSummary& summary, const CardPeak* peak);
nlohmann::json memory_data(const RunRecord& run);
nlohmann::json analysis_data(const BottleneckReport& report);

}  // namespace wan::report
