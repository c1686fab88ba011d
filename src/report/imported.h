// Reports of other programs made again from their records: their own tables as they printed them, and what is wrong in
// them.
#pragma once

#include <string>
#include <vector>

#include "results/record.h"

namespace wan::report {

/// A table of text under a heading, cells as printed.
struct PrintedTable {
  std::string title;
  std::vector<std::string> columns;
  std::vector<std::vector<std::string>> rows;
};

/// "Performance Summary" and a table for each card, from the run-level values the source printed; empty when no record
/// is imported or its source had no such table.
std::vector<PrintedTable> printed_overviews(const std::vector<const RunRecord*>& records);

/// The stage table of one imported run, one row a stage, columns in the source's order.
PrintedTable printed_stages(const RunRecord& record);

/// What contradicts itself in one imported run: code, place, what is wrong, printed and recomputed values.
PrintedTable corrections(const RunRecord& record);

/// All of the above as Markdown, headings as in the source; empty without imported records.
std::string imported_markdown(const std::vector<const RunRecord*>& records);

}  // namespace wan::report
