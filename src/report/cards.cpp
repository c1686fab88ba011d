#include "report/cards.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <iterator>
#include <nlohmann/json.hpp>
#include <set>

#include "analysis/cards.h"
#include "analysis/workload_diff.h"
#include "report/format.h"

namespace wan::report {
namespace {

using Json = nlohmann::json;
using Cases = std::vector<const ShownCase*>;

CardTable table_of(const Cases& cases) {
  std::vector<const CaseSummary*> summaries;
  for (const ShownCase* shown : cases) summaries.push_back(&shown->summary);
  return card_table(summaries);
}

std::string label_of(const Machine& machine) {
  return machine.device + ", " + machine.engine + (machine.kind == EngineKind::kImported ? " (imported)" : "");
}

/// Where a machine's numbers come from, in one line.
std::string provenance_of(const Machine& machine) {
  const RunRecord& run = *machine.example;
  if (run.imported)
    return fmt::format("imported from {}, SHA-256 {}", run.imported->file, run.imported->sha256.substr(0, 16));
  return fmt::format("measured by wanbench {}, {}", run.tool.version, commits_of(machine.runs));
}

std::string written(double value, CardUnit unit) {
  switch (unit) {
    case CardUnit::kSeconds: return seconds(value);
    case CardUnit::kBytes: return gib(value);
    case CardUnit::kJoules: return fmt::format("{:.0f}", value);
    case CardUnit::kShare: return percent(100 * value);
  }
  return "";
}

const char* unit_name(CardUnit unit) {
  switch (unit) {
    case CardUnit::kSeconds: return "s";
    case CardUnit::kBytes: return "GiB";
    case CardUnit::kJoules: return "J";
    case CardUnit::kShare: return "% of the total";
  }
  return "";
}

/// Up to n = 5 the bootstrap's interval of a median is that of the extremes.
constexpr const char* kHowToReadCells =
    "A median with its interval over n runs, or a single run without one. From 6 runs on the interval is a 95 % "
    "bootstrap of the median; for fewer it is the lowest to the highest run, which covers the median with 50 % at "
    "n = 2, "
    "75 % at 3, 87.5 % at 4 and 93.8 % at 5. Two values where a source has the same work under two names. (no video): "
    "these runs wrote none, others of the row did. (allocator): the peak of the program's own allocations, not of the "
    "process.";

/// "22.57 [21.24, 23.35], n = 3", "269.21, single run", "465.56, first of 2 runs, not counted", "oom".
constexpr const char* kAbsent = "–";

/// " (allocator)": a peak that is not of the whole process, as most are.
std::string mark_of_source(const Quantity& value, CardUnit unit) {
  if (unit != CardUnit::kBytes) return "";
  if (value.source.ends_with("(own pool)")) return " (allocator)";
  return value.source.ends_with("(whole card)") ? " (whole card)" : "";
}

std::string cell_text(const ShownCase& shown, const CardQuantity& quantity) {
  if (shown.original != nullptr && shown.original->error) return std::string(to_string(shown.original->status));
  const Quantity value = quantity.of(shown.summary);
  if (!value.has()) return kAbsent;
  const Estimate& estimate = *value.estimate;
  std::string text = written(estimate.median, quantity.unit);
  if (estimate.interval)
    text += fmt::format(" [{}, {}], n = {}", written(estimate.interval->low, quantity.unit),
                        written(estimate.interval->high, quantity.unit), estimate.runs);
  else if (shown.stand_in && shown.runs() > 1)
    text += fmt::format(", first of {} runs", shown.runs());
  else
    text += ", single run";
  return text + (shown.stand_in ? ", not counted" : "") + mark_of_source(value, quantity.unit);
}

/// Cases of the row that wrote no video though another of the row did: their totals are of less work.
std::set<size_t> without_video(const Cases& cases, const CardRow& row) {
  std::set<size_t> none;
  bool any_video = false;
  for (const auto& cell : row.cells)
    for (const size_t i : cell) {
      const std::string kind = output_kind(*cases[i]->summary.example);
      any_video = any_video || kind == "video";
      if (kind == "none") none.insert(i);
    }
  return any_video ? none : std::set<size_t>{};
}

/// Without those that do not count where others of their title do; their case's section says why.
std::vector<size_t> counted_of(const Cases& cases, const std::vector<size_t>& cell) {
  const auto is_replaced = [&](size_t i) {
    return cases[i]->stand_in && std::any_of(cell.begin(), cell.end(), [&](size_t other) {
             return !cases[other]->stand_in && cases[other]->title() == cases[i]->title();
           });
  };
  std::vector<size_t> kept;
  std::copy_if(cell.begin(), cell.end(), std::back_inserter(kept), [&](size_t i) { return !is_replaced(i); });
  return kept;
}

std::string joined_cells(const Cases& cases, const CardRow& row, const std::vector<size_t>& cell,
                         const CardQuantity& quantity) {
  const std::set<size_t> silent = without_video(cases, row);
  std::vector<std::string> texts;
  for (const size_t i : counted_of(cases, cell)) {
    texts.push_back(cell_text(*cases[i], quantity));
    if (silent.contains(i) && texts.back() != kAbsent) texts.back() += " (no video)";
  }
  const bool all_absent =
      std::all_of(texts.begin(), texts.end(), [](const std::string& text) { return text == kAbsent; });
  return all_absent ? kAbsent : fmt::format("{}", fmt::join(texts, " / "));
}

bool any_value(const Cases& cases, const CardQuantity& quantity) {
  for (const ShownCase* shown : cases)
    if (quantity.of(shown->summary).has()) return true;
  return false;
}

std::string machines_table(const CardTable& cards) {
  Table table({"Card", "Program", "Where the numbers come from", "Driver", "Host", "First run"});
  for (const Machine& machine : cards.machines) {
    const RunRecord& run = *machine.example;
    table.begin_row();
    table.text(machine.device);
    table.text(machine.engine);
    table.text(provenance_of(machine));
    table.text(run.system.gpus.empty() || run.system.gpus[0].driver.empty() ? "–" : run.system.gpus[0].driver);
    table.text(run.system.cpu_model.empty() ? "–" : run.system.cpu_model);
    table.text(run.created_utc.empty() ? "–" : run.created_utc.substr(0, 10));
  }
  return table.markdown();
}

}  // namespace

Json cards_data(const Cases& cases) {
  const CardTable cards = table_of(cases);
  if (cards.machines.size() < 2) return nullptr;
  Json machines = Json::array(), quantities = Json::array(), differences = Json::array();
  for (const Machine& machine : cards.machines)
    machines.push_back({{"device", machine.device},
                        {"engine", machine.engine},
                        {"imported", machine.kind == EngineKind::kImported},
                        {"label", label_of(machine)},
                        {"provenance", provenance_of(machine)}});
  for (const CardQuantity& quantity : card_quantities()) {
    if (!any_value(cases, quantity)) continue;
    Json rows = Json::array();
    for (const CardRow& row : cards.rows) {
      Json cells = Json::array();
      for (const auto& cell : row.cells) cells.push_back(joined_cells(cases, row, cell, quantity));
      rows.push_back({{"case", row.name}, {"cells", std::move(cells)}});
    }
    quantities.push_back({{"name", quantity.name}, {"unit", unit_name(quantity.unit)}, {"rows", std::move(rows)}});
  }
  for (const CardRow& row : cards.rows)
    for (const std::string& difference : row.differences) differences.push_back(difference);
  return {{"machines", std::move(machines)},
          {"how_to_read", kHowToReadCells},
          {"quantities", std::move(quantities)},
          {"differences", std::move(differences)}};
}

std::string cards_markdown(const Cases& cases) {
  const CardTable cards = table_of(cases);
  if (cards.machines.size() < 2) return "";
  std::string out = fmt::format("\n## Cards Side by Side\n\n{}\n\n{}", kHowToReadCells, machines_table(cards));
  std::vector<std::string> columns = {"Case"};
  for (const Machine& machine : cards.machines) columns.push_back(label_of(machine));
  for (const CardQuantity& quantity : card_quantities()) {
    if (!any_value(cases, quantity)) continue;
    Table table(columns);
    for (const CardRow& row : cards.rows) {
      table.begin_row();
      table.text(row.name);
      for (const auto& cell : row.cells) table.text(joined_cells(cases, row, cell, quantity));
    }
    out += fmt::format("\n### {} ({})\n\n{}", quantity.name, unit_name(quantity.unit), table.markdown());
  }
  std::string differences;
  for (const CardRow& row : cards.rows)
    for (const std::string& difference : row.differences) differences += "- " + difference + "\n";
  if (!differences.empty()) out += "\n### Where the work of a row differs\n\n" + differences;
  return out;
}

}  // namespace wan::report
