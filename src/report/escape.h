// One escaper a target: no text of a record, whoever wrote it, is markup, a formula or script in a report. Texts for a
// terminal have base/terminal.h, JSON is written by json_text.h and nlohmann, names of files by results/store.h.
#pragma once

#include <string>
#include <string_view>

namespace wan::report {

/// Text as it is within a line of Markdown, a table's cell included: line ends and tabs become blanks, what would be
/// markup or HTML gets a backslash, what steers a terminal is shown (terminal_text).
std::string markdown_text(std::string_view text);

/// Text as a code span, whatever backticks it holds; within a table it needs markdown_cell around it.
std::string markdown_code(std::string_view text);

/// Markdown within a table's cell: every '|' gets a backslash, which a code span in a cell needs, too.
std::string markdown_cell(std::string_view markdown);

/// Text of several lines as a block of its own, between line ends.
std::string markdown_block(std::string_view text);

/// Text between tags of XML or in an attribute: in one line, and nothing in it is markup.
std::string xml_text(std::string_view text);

/// One cell of CSV (RFC 4180). What a spreadsheet would take for a formula begins with an apostrophe, which makes it
/// text there; a number stays one.
std::string csv_text(std::string_view text);

/// JSON that may stand inside a <script> element: '<', '>', '&' and the two line separators of JavaScript as \u
/// escapes.
std::string script_safe(const std::string& json);

}  // namespace wan::report
