// One case of the Markdown report: its cells in tables, and its section.
#pragma once

#include <string>
#include <vector>

#include "analysis/case_view.h"

namespace wan::report {

/// Total seconds, or how the run ended that stands for the case.
std::string time_cell(const CaseView& shown);
/// How many runs count, of how many.
std::string runs_cell(const CaseView& shown);

/// "commit abc", or "commits abc (2 runs), def (changed, 1 run)" where runs of several are shown together.
std::string commits_of(const std::vector<const RunRecord*>& runs);

/// "1.87x (GPU part 1.86x), FASTER", or why the two cannot be compared.
std::string speedup_cell(const CaseView* a, const CaseView* b);

/// From "#### Case: ..." to the end of the resource overview.
std::string case_section(const CaseView& shown);

}  // namespace wan::report
