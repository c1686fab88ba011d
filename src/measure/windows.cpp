#include "measure/windows.h"

#include <algorithm>

namespace wan::measure {
namespace {

int64_t overlap_ns(const Interval& a, const Interval& b) { return intersection(a, b).length_ns(); }

double least_windows(Resolution resolution) {
  switch (resolution) {
    case Resolution::kStage: return kStageWindows;
    case Resolution::kPooled: return kPooledWindows;
    case Resolution::kAny: return 0;
  }
  return 0;
}

/// Value at `at_ns` between two neighbouring readings.
double between(const CounterReading& before, const CounterReading& after, int64_t at_ns) {
  if (after.at_ns == before.at_ns) return after.total;
  const double part = double(at_ns - before.at_ns) / double(after.at_ns - before.at_ns);
  return before.total + part * (after.total - before.total);
}

std::optional<double> value_at(std::span<const CounterReading> readings, int64_t at_ns) {
  if (readings.empty() || at_ns < readings.front().at_ns || at_ns > readings.back().at_ns) return std::nullopt;
  const auto after = std::lower_bound(readings.begin(), readings.end(), at_ns,
                                      [](const CounterReading& reading, int64_t at) { return reading.at_ns < at; });
  if (after == readings.begin()) return after->total;
  return between(*(after - 1), *after, at_ns);
}

/// The windows that may meet `part`: they are in order and do not overlap.
std::span<const Window> windows_at(std::span<const Window> windows, const Interval& part) {
  const auto first =
      std::upper_bound(windows.begin(), windows.end(), part.begin_ns,
                       [](int64_t at_ns, const Window& window) { return at_ns < window.interval.end_ns; });
  const auto last = std::lower_bound(first, windows.end(), part.end_ns, [](const Window& window, int64_t at_ns) {
    return window.interval.begin_ns < at_ns;
  });
  return {first, last};
}

Share mean_of(std::span<const Window> windows, int64_t typical_ns, std::span<const Interval> parts,
              Resolution resolution) {
  Share share;
  double weighted = 0, covered_ns = 0, wanted_ns = 0;
  for (const Interval& part : parts) {
    wanted_ns += double(part.length_ns());
    for (const Window& window : windows_at(windows, part)) {
      const double shared_ns = double(overlap_ns(window.interval, part));
      weighted += window.value * shared_ns;
      covered_ns += shared_ns;
    }
  }
  share.windows = typical_ns > 0 ? wanted_ns / double(typical_ns) : 0;
  share.coverage = wanted_ns > 0 ? covered_ns / wanted_ns : 0;
  if (windows.empty() || covered_ns <= 0)
    share.reason = share.windows > 0 && share.windows < least_windows(resolution) ? "below_resolution" : "no_samples";
  else if (share.windows < least_windows(resolution))
    share.reason = "below_resolution";
  else
    share.value = weighted / covered_ns;
  return share;
}

Share integral_of(Share mean, std::span<const Interval> parts) {
  double seconds = 0;
  for (const Interval& part : parts) seconds += double(part.length_ns()) * 1e-9;
  if (mean.value) *mean.value *= seconds;
  return mean;
}

}  // namespace

int64_t typical_length_ns(std::span<const Window> windows) {
  std::vector<int64_t> lengths;
  for (const Window& window : windows) lengths.push_back(window.interval.length_ns());
  if (lengths.empty()) return 0;
  const auto middle = lengths.begin() + static_cast<ptrdiff_t>(lengths.size() / 2);
  std::nth_element(lengths.begin(), middle, lengths.end());
  return *middle;
}

Share mean_over(std::span<const Window> windows, std::span<const Interval> parts, Resolution resolution) {
  return mean_of(windows, typical_length_ns(windows), parts, resolution);
}

Share mean_over(const WindowSeries& series, std::span<const Interval> parts, Resolution resolution) {
  return mean_of(series.windows, series.typical_ns, parts, resolution);
}

Share integral_over(std::span<const Window> windows, std::span<const Interval> parts, Resolution resolution) {
  return integral_of(mean_over(windows, parts, resolution), parts);
}

Share integral_over(const WindowSeries& series, std::span<const Interval> parts, Resolution resolution) {
  return integral_of(mean_over(series, parts, resolution), parts);
}

std::optional<double> peak_over(std::span<const Window> windows, Interval part) {
  constexpr double kLeastShare = 0.1;
  std::optional<double> peak;
  for (const Window& window : windows_at(windows, part)) {
    const int64_t shorter_ns = std::min(window.interval.length_ns(), part.length_ns());
    const int64_t shared_ns = overlap_ns(window.interval, part);
    if (shared_ns <= 0 || double(shared_ns) < kLeastShare * double(shorter_ns)) continue;
    peak = std::max(peak.value_or(window.value), window.value);
  }
  return peak;
}

std::optional<double> growth_over(std::span<const CounterReading> readings, Interval part) {
  const auto begin = value_at(readings, part.begin_ns), end = value_at(readings, part.end_ns);
  if (!begin || !end) return std::nullopt;
  return std::max(0.0, *end - *begin);
}

std::optional<double> growth_nearly_over(std::span<const CounterReading> readings, Interval part) {
  constexpr double kLeastCovered = 0.95;
  if (readings.empty()) return std::nullopt;
  const Interval covered{std::max(part.begin_ns, readings.front().at_ns), std::min(part.end_ns, readings.back().at_ns)};
  if (covered.end_ns <= covered.begin_ns) return std::nullopt;
  const double share = double(covered.length_ns()) / double(part.length_ns());
  if (share < kLeastCovered) return std::nullopt;
  const auto grown = growth_over(readings, covered);
  if (!grown) return std::nullopt;
  return *grown / share;
}

std::vector<Window> rates(std::span<const CounterReading> readings) {
  std::vector<Window> windows;
  for (size_t i = 1; i < readings.size(); ++i) {
    const Interval interval{readings[i - 1].at_ns, readings[i].at_ns};
    if (interval.length_ns() == 0) continue;
    windows.push_back({interval, (readings[i].total - readings[i - 1].total) / (double(interval.length_ns()) * 1e-9)});
  }
  return windows;
}

}  // namespace wan::measure
