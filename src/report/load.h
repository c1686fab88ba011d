// A load test as reports show it: its table in Markdown and in the page's data.
#pragma once

#include <string>

#include <nlohmann/json_fwd.hpp>

#include "analysis/report_view.h"

namespace wan::report {

/// A section for each test; empty where there is none.
std::string loads_markdown(const ReportView& view);

/// A list of them, in SI units.
nlohmann::json loads_data(const ReportView& view);

}  // namespace wan::report
