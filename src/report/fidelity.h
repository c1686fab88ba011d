// Fidelity as reports show it: a cell beside a case's seconds, the numbers of each measurement, seconds against
// fidelity, and stills side by side.
#pragma once

#include <string>

#include <nlohmann/json_fwd.hpp>

#include "analysis/report_view.h"
#include "report/format.h"
#include "report/html.h"

namespace wan::report {

/// The cells of a case in a table with columns for fidelity and for the noise floor; dashes with their reason where
/// nothing is measured. Of a report that has such columns.
void add_fidelity_cells(Table& table, const CaseView& shown);
/// Whether the report has such columns.
bool has_fidelity_cells(const ReportView& view);

/// "drift", "drift (REFUTED)".
std::string class_cell(const CaseView& shown);

/// Of a case: its measurements; empty where there are none.
std::string fidelity_markdown(const CaseView& shown);
/// Tables of seconds against fidelity, a chart a table; empty where there is no chart.
std::string fidelity_charts_markdown(const ReportView& view);

/// {"text", "floor", "why_none"}, or null.
nlohmann::json fidelity_cell_data(const CaseView& shown);
/// Of a case: a list of its measurements.
nlohmann::json fidelity_data(const CaseView& shown, const HtmlOptions& options);
/// Of the page: measures, charts, and a pair of stills for each measurement as long as there is room for pictures.
nlohmann::json fidelity_page_data(const ReportView& view, const HtmlOptions& options);

}  // namespace wan::report
