// What a load test says of the server: latency, queue and service with quantiles that know how sure they are, rates,
// requests within an objective, energy and price of a video.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "analysis/statistics.h"
#include "results/load.h"

namespace wan {

/// An end of an interval that so few values cannot give is nothing.
struct LooseInterval {
  std::optional<double> low, high;
};

/// The 95 % interval of the p-quantile of what `values`, in the order in which they came, are drawn from: order
/// statistics whose ranks leave 2.5 % of a binomial behind on each side, whatever the distribution (Conover,
/// Practical Nonparametric Statistics, 3.2). Values that follow one another in a queue are alike, so the binomial is
/// of n / t values, t = 1 + twice the sum of the autocorrelations of "is below the quantile" (Geyer's initial positive
/// sequence, 1992). 0 < p < 1, not empty.
LooseInterval quantile_interval(std::span<const double> values, double p);

inline constexpr double kLoadQuantiles[] = {0.5, 0.9, 0.95, 0.99};

struct LoadQuantile {
  double p = 0, value = 0;
  LooseInterval interval;
};

struct LoadSpread {
  int64_t count = 0;
  double mean = 0;
  std::vector<LoadQuantile> quantiles;  // of kLoadQuantiles
  const LoadQuantile& at(double p) const;
};

/// A mean with its interval by Student's t; nothing for one value.
struct LoadMean {
  double value = 0;
  std::optional<Interval> interval;
};

/// Requests within the objective, of those for which there is one; one that was not completed is none of them.
struct LoadGoodput {
  int64_t judged = 0, within = 0;
  Interval share;               // 95 %, Wilson 1927
  std::optional<double> per_s;  // videos a second within it
};

struct LoadSummary {
  const LoadLevel* level = nullptr;
  int64_t asked = 0, completed = 0;                         // after the warm-up
  std::vector<std::pair<std::string, int64_t>> failures;    // "refused: queue_full", the most frequent first
  std::optional<LoadSpread> latency, queue, service;        // seconds, of completed ones; the last two where known
  std::vector<std::pair<StartKnown, int64_t>> start_known;  // of completed ones
  double latest_s = 0;                                      // that a request was sent behind its time, at most
  /// Completions in all after the first one, over the time from the first to the last: neither the filling of an empty
  /// server nor the wait behind the last request counts.
  std::optional<double> per_s;
  LooseInterval per_s_interval;  // by the mean of the times between them
  std::optional<LoadGoodput> goodput;
  std::string why_no_goodput;
  std::optional<LoadMean> video_energy_j;  // as the server tells it, while it makes the video
  std::optional<double> all_energy_j;      // by readings of power over the span of `per_s`: waiting for work included
  std::optional<LoadMean> price;
  std::vector<LoadStage> stages;  // means of completed ones that tell them

  /// "0.05/s", "2 at once", "Offline".
  std::string name() const;
};

LoadSummary summarise(const LoadLevel& level, const LoadTest& test);

/// A test with its levels' numbers, which point into it.
struct LoadView {
  LoadTest test;
  std::vector<LoadSummary> levels;

  explicit LoadView(LoadTest of);
  LoadView(const LoadView&) = delete;
  LoadView& operator=(const LoadView&) = delete;
};

/// Median of the readings without work; nothing without any.
std::optional<double> idle_watts(const LoadTest& test);

/// The level with the most videos a second, or nullptr.
const LoadSummary* saturation(const std::vector<LoadSummary>& levels);

}  // namespace wan
