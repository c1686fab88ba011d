// The text of `wanbench load`.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include "analysis/load_text.h"
#include "base/terminal.h"
#include "cli/columns.h"
#include "cli/load_result.h"

namespace wan::cli {
namespace {

constexpr double kSecondsAnHour = 3600;
constexpr const char* kNone = "-";

std::string number_of(const std::optional<double>& value, double unit, int decimals) {
  return value ? fmt::format("{:.{}f}", *value / unit, decimals) : kNone;
}

std::string quantile_of(const std::optional<LoadSpread>& spread, double p) {
  if (!spread) return kNone;
  constexpr double kFourDigits = 1000;  // no hundredths from here on: eight columns
  const double seconds = spread->at(p).value;
  return fmt::format("{:.{}f}", seconds, seconds < kFourDigits ? 2 : 0);
}

void print_level(const LoadSummary& level, const LoadTest& test) {
  const std::optional<double> energy = level.all_energy_j     ? level.all_energy_j
                                       : level.video_energy_j ? std::optional(level.video_energy_j->value)
                                                              : std::nullopt;
  print("{:<15}{:>10}{:>10}{:>8}{:>8}{:>8}{:>7}{:>8}{:>6}\n", level.name(),
        fmt::format("{}/{}", level.completed, level.asked), number_of(level.per_s, 1 / kSecondsAnHour, 1),
        quantile_of(level.latency, 0.5), quantile_of(level.latency, 0.9), quantile_of(level.latency, 0.99),
        quantile_of(level.queue, 0.5), quantile_of(level.service, 0.5), number_of(energy, 1000, 2));
  for (const std::string& line : load_sentences(level, test)) print("{}", wrapped(line, 2, 2));
}

}  // namespace

void print_load(const LoadView& view) {
  const LoadTest& test = view.test;
  const std::vector<LoadSummary>& levels = view.levels;
  print("{}", wrapped(load_head(test), 0, 2));
  print("{:<15}{:>10}{:>10}{:>8}{:>8}{:>8}{:>7}{:>8}{:>6}\n", "load", "completed", "videos/h", "p50 s", "p90 s",
        "p99 s", "queue", "service", "kJ");
  for (const LoadSummary& level : levels) print_level(level, test);
  for (const std::string& line : load_notes(test, levels)) print("{}", wrapped(line, 0, 2));
}

}  // namespace wan::cli
