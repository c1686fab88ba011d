// report.md: the tables of the seed report under the same headings, with what it left out. Formatting only; every
// number comes from analysis.
#pragma once

#include <string>

#include "analysis/report_view.h"

namespace wan::report {

/// The whole report as Markdown.
std::string markdown_report(const ReportView& view);

}  // namespace wan::report
