// Numbers as people read them. The only place that chooses digits.
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "analysis/estimate.h"
#include "analysis/stage_columns.h"

namespace wan::report {

/// Seconds with three decimals below 10 s, two above.
std::string seconds(double value);
/// Bytes as GiB: three decimals below 1 GiB, two above.
std::string gib(double bytes);
std::string percent(double value);
/// A column's value with its unit's digits; the unit stands in the column's head.
std::string (*writer_of(Unit unit))(double);
/// "SM Act (%)".
std::string head_of(const StageColumn& column);
/// "12.34 s" for one run, "12.34 s [12.30, 12.41]" with the interval of several; as Markdown.
std::string with_interval(const Quantity& quantity, std::string (*format)(double), const std::string& unit);

/// A Markdown table whose empty cells are dashes, explained below it.
class Table {
 public:
  /// Heads are texts.
  explicit Table(const std::vector<std::string>& columns);
  void begin_row();
  /// A text from anywhere; it is no markup.
  void text(const std::string& cell);
  /// Markdown of ours, in which texts from elsewhere were escaped.
  void markup(const std::string& cell);
  /// A dash whose reason, a text from anywhere, is remembered for the column.
  void none(const std::string& reason);
  /// A number, or a dash whose reason is remembered for the column.
  void value(const Quantity& quantity, std::string (*format)(double));
  std::string markdown() const;

 private:
  std::vector<std::string> columns_;
  std::vector<std::vector<std::string>> rows_;
  std::map<size_t, std::set<std::string>> reasons_;  // by column
};

/// What a reason's word means, in a few words; the word itself when it is not known.
std::string explain(const std::string& reason);

}  // namespace wan::report
