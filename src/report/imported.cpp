// Printed values are text and stay text: nothing here turns them into numbers.
#include "report/imported.h"

#include <algorithm>
#include <map>
#include <set>

#include <fmt/format.h>

#include "report/escape.h"
#include "report/format.h"
#include "results/device_name.h"

namespace wan::report {
namespace {

constexpr const char* kSummaryPrefix = "summary: ";
constexpr const char* kCardPrefix = "card table: ";

/// Columns of the original's reports in their order; a record keeps them by name.
const std::vector<std::string> kColumnOrder = {
    "Case",    "Resolution", "Res",  "Offload",      "Time (s)", "Time(s)",      "duration",   "s/step",
    "Mem(GB)", "SM(%)",      "Load", "GPU Mem (GB)", "CPU (%)",  "Sys Mem (GB)", "SM Act (%)", "Comp Load"};

size_t order_of(const std::string& column) {
  const auto found = std::find(kColumnOrder.begin(), kColumnOrder.end(), column);
  if (found != kColumnOrder.end()) return static_cast<size_t>(found - kColumnOrder.begin());
  return kColumnOrder.size() + (column.starts_with("Speedup") ? 1 : 0);  // the last column of the summary
}

std::vector<std::string> in_order(const std::set<std::string>& names) {
  std::vector<std::string> columns(names.begin(), names.end());
  std::stable_sort(columns.begin(), columns.end(),
                   [](const std::string& a, const std::string& b) { return order_of(a) < order_of(b); });
  return columns;
}

using Row = std::map<std::string, std::string>;

PrintedTable table_of(std::string title, const std::vector<Row>& rows) {
  std::set<std::string> names;
  for (const Row& row : rows)
    for (const auto& [column, cell] : row) names.insert(column);
  PrintedTable table{std::move(title), in_order(names), {}};
  for (const Row& row : rows) {
    std::vector<std::string> cells;
    for (const std::string& column : table.columns) {
      const auto cell = row.find(column);
      cells.push_back(cell == row.end() ? "–" : cell->second);
    }
    table.rows.push_back(std::move(cells));
  }
  return table;
}

/// The values printed under `prefix`, without it.
Row with_prefix(const RunRecord& record, const std::string& prefix) {
  Row row;
  if (!record.imported) return row;
  for (const auto& [key, value] : record.imported->printed)
    if (key.starts_with(prefix)) row[key.substr(prefix.size())] = value;
  return row;
}

std::string markdown_of(const PrintedTable& table) {
  Table out(table.columns);
  for (const auto& row : table.rows) {
    out.begin_row();
    for (const std::string& cell : row) out.text(cell);
  }
  return out.markdown();
}

std::string number(const std::optional<double>& value, const std::string& unit) {
  return value ? fmt::format("{:.6g} {}", *value, unit) : "–";
}

}  // namespace

std::vector<PrintedTable> printed_overviews(const std::vector<const RunRecord*>& records) {
  std::vector<Row> summary;
  std::vector<std::string> cards;
  std::map<std::string, std::vector<Row>> by_card;
  for (const RunRecord* record : records) {
    const Row row = with_prefix(*record, kSummaryPrefix);
    // Each run of a compared case carries the summary's row.
    if (!row.empty() && std::find(summary.begin(), summary.end(), row) == summary.end()) summary.push_back(row);
    const Row card_row = with_prefix(*record, kCardPrefix);
    if (card_row.empty()) continue;
    const std::string card = device_name(*record);
    if (std::find(cards.begin(), cards.end(), card) == cards.end()) cards.push_back(card);
    by_card[card].push_back(card_row);
  }
  const auto by_case = [](const Row& a, const Row& b) {
    return a.contains("Case") && b.contains("Case") && a.at("Case") < b.at("Case");
  };
  std::stable_sort(summary.begin(), summary.end(), by_case);
  std::vector<PrintedTable> tables;
  if (!summary.empty()) tables.push_back(table_of("Performance Summary, as printed", summary));
  for (const std::string& card : cards) {
    std::stable_sort(by_card[card].begin(), by_card[card].end(), by_case);
    tables.push_back(table_of(card + ", as printed", by_card[card]));
  }
  return tables;
}

PrintedTable printed_stages(const RunRecord& record) {
  std::vector<Row> rows;
  std::vector<std::string> names;
  const auto add = [&](const StageRecord& stage) {
    if (stage.printed.empty()) return;
    Row row = stage.printed;
    row.erase("name");
    row.erase("Stage");
    rows.push_back(std::move(row));
    names.push_back(stage.name);
  };
  for (const StageRecord& stage : record.stages)
    if (stage.kind != StageKind::kParent) add(stage);
  for (const StageRecord& stage : record.stages)
    if (stage.kind == StageKind::kParent) add(stage);
  PrintedTable table = table_of("Stage Breakdown, as printed", rows);
  table.columns.insert(table.columns.begin(), "Stage");
  for (size_t i = 0; i < names.size(); ++i) table.rows[i].insert(table.rows[i].begin(), names[i]);
  return table;
}

PrintedTable corrections(const RunRecord& record) {
  PrintedTable table{"Corrections", {"Finding", "Where", "What is wrong", "Printed", "Recomputed"}, {}};
  if (!record.imported) return table;
  for (const Finding& finding : record.imported->findings)
    table.rows.push_back({finding.code, finding.where.empty() ? "whole run" : finding.where, finding.message,
                          number(finding.printed, finding.unit), number(finding.recomputed, finding.unit)});
  return table;
}

std::string imported_markdown(const std::vector<const RunRecord*>& records) {
  std::string out;
  for (const PrintedTable& table : printed_overviews(records))
    out += fmt::format("\n### {}\n\n{}", markdown_text(table.title), markdown_of(table));
  for (const RunRecord* record : records) {
    if (!record->imported) continue;
    out += fmt::format("\n#### Case: {} on {}, as printed in {}\n", markdown_text(record->run_case.name),
                       markdown_text(device_name(*record)), markdown_text(record->imported->file));
    for (const PrintedTable& table : {printed_stages(*record), corrections(*record)})
      if (!table.rows.empty()) out += fmt::format("\n##### {}\n\n{}", table.title, markdown_of(table));
  }
  return out.empty() ? out : "\n---\n\n# Imported Reports, as Printed, with Corrections\n" + out;
}

}  // namespace wan::report
