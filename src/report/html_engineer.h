// The engineer's part of a case's data. Internal to the HTML report.
#pragma once

#include <nlohmann/json_fwd.hpp>

#include "report/html_case.h"
#include "results/samples.h"
#include "results/spans.h"

namespace wan::report {

/// Leaves and the total with all columns any of them has; parts of stages and hidden work with their times alone.
nlohmann::json stage_table_data(const CaseView& shown);
nlohmann::json timeline_data(const RunRecord& run, const SampleSet* samples, const SpanSet* spans);
nlohmann::json steps_data(const CaseView& shown);
nlohmann::json roofline_data(const Roofline& roof, const CardPeak* peak);
nlohmann::json memory_data(const MemoryWaterfall& memory);
nlohmann::json analysis_data(const BottleneckReport& report);

}  // namespace wan::report
