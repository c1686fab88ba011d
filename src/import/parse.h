// Small strict parsers shared by the importers.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace wan {

/// A finite number in [0, 1e12] that is the whole of `text` but for surrounding blanks; nothing else is accepted.
std::optional<double> parse_number(std::string_view text);

/// The number at the start of "143.25 s", "2.34x" or "**2.34x**".
std::optional<double> leading_number(std::string_view text);

std::string_view trim(std::string_view text);

/// Cells of a Markdown table row, trimmed; empty when the line is no row.
std::vector<std::string> table_cells(std::string_view line);

/// True for the "| :--- | :--- |" line under a table's header.
bool is_table_rule(const std::vector<std::string>& cells);

}  // namespace wan
