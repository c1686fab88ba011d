// report.md: the tables of the seed report under the same headings, with what it left out. Formatting only; every
// number comes from analysis.
#pragma once

#include <string>
#include <vector>

#include "analysis/tables.h"
#include "results/record.h"

namespace wan::report {

/// The whole report as Markdown. `peaks` may be empty, then no share of a card's peak is given.
std::string markdown_report(const std::vector<const RunRecord*>& records, const std::vector<CardPeak>& peaks);

}  // namespace wan::report
