// Tables of comma-separated values as other programs write them.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace wan {

struct CsvRow {
  int64_t line = 0;  // on which it begins, from 1
  std::vector<std::string> cells;
};

/// The rows of a table, the header first; empty lines are left out. RFC 4180, and a quote within a quoted cell is text
/// unless the cell ends behind it: some programs quote cells without doubling the quotes in them. Throws Error(kInput)
/// naming `file` and line for a row of another length than the header, or for more rows or cells than any table has.
std::vector<CsvRow> csv_rows(std::string_view text, const std::string& file);

}  // namespace wan
