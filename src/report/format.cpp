#include "report/format.h"

#include <cmath>

#include <fmt/format.h>

#include "report/escape.h"

namespace wan::report {

std::string seconds(double value) { return fmt::format("{:.{}f}", value, std::abs(value) < 10 ? 3 : 2); }

std::string gib(double bytes) {
  constexpr double kGiB = 1024.0 * 1024.0 * 1024.0;
  return fmt::format("{:.{}f}", bytes / kGiB, bytes < kGiB ? 3 : 2);
}

std::string percent(double value) { return fmt::format("{:.1f}", value); }

std::string (*writer_of(Unit unit))(double) {
  switch (unit) {
    case Unit::kSeconds:
    case Unit::kSmSeconds:
    case Unit::kCores: return seconds;
    case Unit::kBytes: return gib;
    case Unit::kTeraflops: return [](double value) { return fmt::format("{:.3g}", value); };
    default: return percent;
  }
}

std::string head_of(const StageColumn& column) { return fmt::format("{} ({})", column.head, unit_symbol(column.unit)); }

std::string with_interval(const Quantity& quantity, std::string (*format)(double), const std::string& unit) {
  if (!quantity.has()) return fmt::format("– ({})", markdown_text(explain(quantity.reason)));
  const Estimate& estimate = *quantity.estimate;
  std::string text = format(estimate.median) + " " + unit;
  if (estimate.interval)
    text += fmt::format(" [{}, {}]", format(estimate.interval->low), format(estimate.interval->high));
  return text;
}

std::string explain(const std::string& reason) {
  static const std::map<std::string, std::string> kMeanings = {
      {"below_resolution", "too short for the sampling period"},
      {"no_samples", "no reading fell into it"},
      {"not_measured", "not measured"},
      {"not_supported", "not supported by the card"},
      {"not_permitted", "not permitted to this user"},
      {"not_reported_by_the_engine", "not reported by the engine"},
      {"not_visible_to_the_driver", "the driver does not list the process"},
      {"no_time", "the stage took no time"},
      {"not_in_source", "not in the imported report"},
      {"printed_zero", "printed as 0 where nothing was sampled"},
      {"printed_for_the_whole_machine", "the imported report counts the whole machine"},
      {"allocator_peak_only", "the imported report has the allocator's peak only"},
      {"stage_absent", "no such stage in the run"}};
  const auto found = kMeanings.find(reason);
  return found != kMeanings.end() ? found->second : reason.empty() ? "not measured" : reason;
}

Table::Table(const std::vector<std::string>& columns) {
  for (const std::string& column : columns) columns_.push_back(markdown_text(column));
}

void Table::begin_row() { rows_.emplace_back(); }

void Table::text(const std::string& cell) { rows_.back().push_back(markdown_text(cell)); }

void Table::markup(const std::string& cell) { rows_.back().push_back(markdown_cell(cell)); }

void Table::value(const Quantity& quantity, std::string (*format)(double)) {
  if (quantity.has()) {
    text(format(quantity.median()));
    return;
  }
  none(explain(quantity.reason));
}

void Table::none(const std::string& reason) {
  reasons_[rows_.back().size()].insert(reason);
  text("–");
}

std::string Table::markdown() const {
  std::string out = "|";
  for (const std::string& column : columns_) out += " " + column + " |";
  out += "\n|";
  for (size_t i = 0; i < columns_.size(); ++i) out += " :--- |";
  out += "\n";
  for (const auto& row : rows_) {
    out += "|";
    for (const std::string& cell : row) out += " " + cell + " |";
    out += "\n";
  }
  if (reasons_.empty()) return out;
  std::string notes;
  for (const auto& [column, reasons] : reasons_) {
    std::string list;
    for (const std::string& reason : reasons) list += (list.empty() ? "" : ", ") + markdown_text(reason);
    notes += fmt::format("{}{}: {}", notes.empty() ? "" : "; ", columns_[column], list);
  }
  return out + "\n– not measured. " + notes + ".\n";
}

}  // namespace wan::report
