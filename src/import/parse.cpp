// Numbers and table rows.
#include "import/parse.h"

#include <algorithm>
#include <charconv>
#include <cmath>

namespace wan {
namespace {

constexpr double kLargest = 1e12;

std::optional<double> number_prefix(std::string_view text, size_t& used) {
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, std::chars_format::fixed);
  if (error != std::errc() || !std::isfinite(value) || value < 0 || value > kLargest) return std::nullopt;
  used = static_cast<size_t>(end - text.data());
  return value;
}

}  // namespace

std::string_view trim(std::string_view text) {
  const size_t first = text.find_first_not_of(" \t\r");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t\r") - first + 1);
}

std::optional<double> parse_number(std::string_view text) {
  text = trim(text);
  size_t used = 0;
  const auto value = number_prefix(text, used);
  return used == text.size() ? value : std::nullopt;
}

std::optional<double> leading_number(std::string_view text) {
  text = trim(text);
  while (text.starts_with('*')) text.remove_prefix(1);
  size_t used = 0;
  return number_prefix(text, used);
}

std::vector<std::string> table_cells(std::string_view line) {
  line = trim(line);
  std::vector<std::string> cells;
  if (line.size() < 2 || line.front() != '|' || line.back() != '|') return cells;
  line.remove_prefix(1);
  while (!line.empty()) {
    const size_t bar = line.find('|');
    cells.emplace_back(trim(line.substr(0, bar)));
    line.remove_prefix(bar + 1);
  }
  return cells;
}

bool is_table_rule(const std::vector<std::string>& cells) {
  return !cells.empty() && std::all_of(cells.begin(), cells.end(), [](const std::string& cell) {
    return !cell.empty() && cell.find_first_not_of("-: ") == std::string::npos;
  });
}

}  // namespace wan
