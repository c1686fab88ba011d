#include "report/cards.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <nlohmann/json.hpp>

#include "analysis/plain_words.h"
#include "report/case_section.h"
#include "report/escape.h"
#include "report/format.h"

namespace wan::report {
namespace {

using Json = nlohmann::json;

constexpr const char *kFidelity = "Fidelity", *kFidelityUnit = "PSNR and worst replayed velocity";

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

/// "22.57 [21.24, 23.35], n = 3", "269.21, single run", "465.56, first of 2 runs, measured while other programs ran",
/// "oom".
constexpr const char* kAbsent = "–";

/// " (allocator)": a peak that is not of the whole process, as most are.
std::string mark_of_source(const Quantity& value, CardUnit unit) {
  if (unit != CardUnit::kBytes) return "";
  if (value.source.ends_with("(own pool)")) return " (allocator)";
  return value.source.ends_with("(whole card)") ? " (whole card)" : "";
}

std::string cell_text(const CaseView& shown, const Quantity& value, CardUnit unit) {
  if (shown.failed && shown.failed->error != nullptr) return std::string(to_string(shown.failed->run->status));
  if (!value.has()) return kAbsent;
  const Estimate& estimate = *value.estimate;
  std::string text = written(estimate.median, unit);
  if (estimate.interval)
    text += fmt::format(" [{}, {}], n = {}", written(estimate.interval->low, unit),
                        written(estimate.interval->high, unit), estimate.runs);
  else if (shown.failed && shown.runs > 1)
    text += fmt::format(", first of {} runs", shown.runs);
  else
    text += ", single run";
  return text + (shown.failed ? ", " + plain_reason(shown.doubt()) : "") + mark_of_source(value, unit);
}

std::string joined_cells(const std::vector<CardEntry>& cell, size_t quantity) {
  std::vector<std::string> texts;
  bool all_absent = true;
  for (const CardEntry& entry : cell) {
    std::string text = cell_text(*entry.shown, entry.values[quantity], card_quantities()[quantity].unit);
    const bool is_absent = text == kAbsent;
    all_absent = all_absent && is_absent;
    texts.push_back(text + (entry.without_video && !is_absent ? " (no video)" : ""));
  }
  return all_absent ? kAbsent : fmt::format("{}", fmt::join(texts, " / "));
}

/// Whether any case of the table has a cell of fidelity.
bool has_fidelity(const CardsView& cards) {
  for (const CardRowView& row : cards.rows)
    for (const auto& cell : row.cells)
      for (const CardEntry& entry : cell)
        if (entry.shown->fidelity_cell) return true;
  return false;
}

std::string fidelity_cells(const std::vector<CardEntry>& cell) {
  std::vector<std::string> texts;
  for (const CardEntry& entry : cell) {
    const auto& fidelity = entry.shown->fidelity_cell;
    if (!fidelity) continue;
    texts.push_back(fidelity->text.empty() ? "not measured: " + fidelity->why_none
                                           : fmt::format("{} (noise floor: {})", fidelity->text, fidelity->floor));
  }
  return texts.empty() ? kAbsent : fmt::format("{}", fmt::join(texts, " / "));
}

std::string machines_table(const CardsView& cards) {
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

Json cards_data(const CardsView& cards) {
  if (cards.machines.size() < 2) return nullptr;
  Json machines = Json::array(), quantities = Json::array(), differences = Json::array();
  for (const Machine& machine : cards.machines)
    machines.push_back({{"device", machine.device},
                        {"engine", machine.engine},
                        {"imported", machine.kind == EngineKind::kImported},
                        {"label", label_of(machine)},
                        {"provenance", provenance_of(machine)}});
  for (const size_t i : cards.quantities) {
    const CardQuantity& quantity = card_quantities()[i];
    Json rows = Json::array();
    for (const CardRowView& row : cards.rows) {
      Json cells = Json::array();
      for (const auto& cell : row.cells) cells.push_back(joined_cells(cell, i));
      rows.push_back({{"case", row.name}, {"cells", std::move(cells)}});
    }
    quantities.push_back({{"name", quantity.name}, {"unit", unit_name(quantity.unit)}, {"rows", std::move(rows)}});
  }
  if (has_fidelity(cards)) {
    Json rows = Json::array();
    for (const CardRowView& row : cards.rows) {
      Json cells = Json::array();
      for (const auto& cell : row.cells) cells.push_back(fidelity_cells(cell));
      rows.push_back({{"case", row.name}, {"cells", std::move(cells)}});
    }
    quantities.push_back({{"name", kFidelity}, {"unit", kFidelityUnit}, {"rows", std::move(rows)}});
  }
  for (const CardRowView& row : cards.rows)
    for (const std::string& difference : row.differences) differences.push_back(difference);
  return {{"machines", std::move(machines)},
          {"how_to_read", kHowToReadCells},
          {"quantities", std::move(quantities)},
          {"differences", std::move(differences)}};
}

std::string cards_markdown(const CardsView& cards) {
  if (cards.machines.size() < 2) return "";
  std::string out = fmt::format("\n## Cards Side by Side\n\n{}\n\n{}", kHowToReadCells, machines_table(cards));
  std::vector<std::string> columns = {"Case"};
  for (const Machine& machine : cards.machines) columns.push_back(label_of(machine));
  for (const size_t i : cards.quantities) {
    const CardQuantity& quantity = card_quantities()[i];
    Table table(columns);
    for (const CardRowView& row : cards.rows) {
      table.begin_row();
      table.text(row.name);
      for (const auto& cell : row.cells) table.text(joined_cells(cell, i));
    }
    out += fmt::format("\n### {} ({})\n\n{}", quantity.name, unit_name(quantity.unit), table.markdown());
  }
  if (has_fidelity(cards)) {
    Table table(columns);
    for (const CardRowView& row : cards.rows) {
      table.begin_row();
      table.text(row.name);
      for (const auto& cell : row.cells) table.text(fidelity_cells(cell));
    }
    out += fmt::format("\n### {} ({})\n\n{}", kFidelity, kFidelityUnit, table.markdown());
  }
  std::string differences;
  for (const CardRowView& row : cards.rows)
    for (const std::string& difference : row.differences) differences += "- " + markdown_text(difference) + "\n";
  if (!differences.empty()) out += "\n### Where the work of a row differs\n\n" + differences;
  return out;
}

}  // namespace wan::report
