// An ablation as reports show it: its table in Markdown and in the page's data.
#pragma once

#include <string>

#include <nlohmann/json_fwd.hpp>

#include "analysis/report_view.h"

namespace wan::report {

/// A table for each ablation; empty where there is none.
std::string ablations_markdown(const ReportView& view);

/// A list of them, in SI units.
nlohmann::json ablations_data(const ReportView& view);

}  // namespace wan::report
