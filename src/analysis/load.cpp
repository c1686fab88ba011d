#include "analysis/load.h"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

namespace wan {
namespace {

constexpr double kTail = 0.025;
constexpr size_t kMostFailures = 20;

/// How many times the variance of the mean of `values` is that of independent ones; at least 1. `values`: 0 and 1.
double variance_inflation(const std::vector<uint8_t>& values) {
  constexpr size_t kMostLag = 2000;
  const size_t n = values.size();
  int64_t ones = 0;
  for (const uint8_t value : values) ones += value;
  const double mean = static_cast<double>(ones) / static_cast<double>(n), variance = mean * (1 - mean);
  if (variance <= 0) return 1;
  const auto correlation = [&](size_t lag) {
    int64_t both = 0;
    for (size_t i = 0; i + lag < n; ++i) both += values[i] & values[i + lag];
    return (static_cast<double>(both) / static_cast<double>(n - lag) - mean * mean) / variance;
  };
  double sum = 0;
  for (size_t lag = 0; lag + 1 < std::min(n / 2, kMostLag); lag += 2) {
    const double pair = correlation(lag) + correlation(lag + 1);
    if (pair <= 0) break;
    sum += pair;
  }
  return std::max(1.0, 2 * sum - 1);
}

/// P(B <= k) of a binomial for all k from 0 to n.
std::vector<double> binomial_cdf(int64_t n, double p) {
  std::vector<double> cdf(static_cast<size_t>(n) + 1);
  const double log_p = std::log(p), log_q = std::log1p(-p), log_all = std::lgamma(static_cast<double>(n) + 1);
  double sum = 0;
  for (int64_t k = 0; k <= n; ++k) {
    const auto x = static_cast<double>(k), rest = static_cast<double>(n - k);
    sum += std::exp(log_all - std::lgamma(x + 1) - std::lgamma(rest + 1) + x * log_p + rest * log_q);
    cdf[static_cast<size_t>(k)] = std::min(sum, 1.0);
  }
  return cdf;
}

/// Of a share of k among n (Wilson 1927).
Interval share_interval(int64_t k, int64_t n) {
  constexpr double kZ = 1.959963984540054;
  const auto count = static_cast<double>(n);
  const double share = static_cast<double>(k) / count, square = kZ * kZ / count;
  const double middle = (share + square / 2) / (1 + square);
  const double half = kZ / (1 + square) * std::sqrt((share * (1 - share) + square / 4) / count);
  return {std::max(0.0, middle - half), std::min(1.0, middle + half)};
}

/// The least value at or below which at least that share of all lies: one that was measured.
double share_quantile(const std::vector<double>& sorted, double p) {
  const auto rank = static_cast<size_t>(std::ceil(p * static_cast<double>(sorted.size()) - 1e-9));
  return sorted[std::clamp<size_t>(rank, 1, sorted.size()) - 1];
}

LoadSpread spread_of(const std::vector<double>& values) {
  LoadSpread spread;
  spread.count = static_cast<int64_t>(values.size());
  for (const double value : values) spread.mean += value / static_cast<double>(values.size());
  std::vector<double> sorted = values;
  std::ranges::sort(sorted);
  for (const double p : kLoadQuantiles)
    spread.quantiles.push_back({p, share_quantile(sorted, p), quantile_interval(values, p)});
  return spread;
}

std::optional<LoadSpread> known_spread(const std::vector<double>& values) {
  return values.empty() ? std::nullopt : std::optional(spread_of(values));
}

std::optional<LoadMean> mean_of(const std::vector<double>& values) {
  if (values.empty()) return std::nullopt;
  const auto n = static_cast<double>(values.size());
  LoadMean out;
  for (const double value : values) out.value += value / n;
  if (values.size() < 2) return out;
  double square = 0;
  for (const double value : values) square += (value - out.value) * (value - out.value);
  const double half = student_t_quantile(1 - kTail, n - 1) * std::sqrt(square / (n - 1) / n);
  out.interval = Interval{out.value - half, out.value + half};
  return out;
}

/// When videos were completed, in order: those after the warm-up, and before them the last one that ended earlier.
std::vector<double> completions(const LoadLevel& level) {
  std::vector<double> times;
  for (const LoadRequest& request : level.requests)
    if (request.completed() && !request.warm_up) times.push_back(*request.ended_s);
  std::ranges::sort(times);
  if (times.empty()) return times;
  std::optional<double> before;
  for (const LoadRequest& request : level.requests)
    if (request.completed() && request.warm_up && *request.ended_s <= times.front())
      before = std::max(before.value_or(0), *request.ended_s);
  if (before) times.insert(times.begin(), *before);
  return times;
}

void fill_rate(LoadSummary& out, const std::vector<double>& times) {
  if (times.size() < 2 || times.back() <= times.front()) return;
  out.per_s = static_cast<double>(times.size() - 1) / (times.back() - times.front());
  std::vector<double> gaps;
  for (size_t i = 1; i < times.size(); ++i) gaps.push_back(times[i] - times[i - 1]);
  const std::optional<LoadMean> gap = mean_of(gaps);
  if (!gap->interval) return;
  out.per_s_interval.low = 1 / gap->interval->high;
  if (gap->interval->low > 0) out.per_s_interval.high = 1 / gap->interval->low;
}

/// Integral of the power over [begin, end] by trapezoids; before the first reading and behind the last one their power,
/// for a second at most: readings end with the last video. Nothing where they leave out more.
std::optional<double> energy_between(std::vector<PowerReading> readings, double begin, double end) {
  constexpr double kMostGapSeconds = 1;
  if (readings.size() < 2 || readings.front().at_s > begin + kMostGapSeconds ||
      readings.back().at_s < end - kMostGapSeconds)
    return std::nullopt;
  readings.insert(readings.begin(), {std::min(begin, readings.front().at_s), readings.front().watts});
  readings.push_back({std::max(end, readings.back().at_s), readings.back().watts});
  double sum = 0;
  for (size_t i = 1; i < readings.size(); ++i) {
    const PowerReading &a = readings[i - 1], &b = readings[i];
    const double from = std::max(a.at_s, begin), to = std::min(b.at_s, end);
    if (to <= from || b.at_s <= a.at_s) continue;
    const auto watts = [&](double at) { return a.watts + (b.watts - a.watts) * (at - a.at_s) / (b.at_s - a.at_s); };
    sum += (to - from) * (watts(from) + watts(to)) / 2;
  }
  return sum;
}

/// Seconds in which the request was to be over; nothing where nobody says.
std::optional<double> objective_of(const LoadRequest& request, const LoadTest& test) {
  if (test.objective_s) return test.objective_s;
  if (test.objective_multiple && request.expected_s) return *test.objective_multiple * *request.expected_s;
  return std::nullopt;
}

void fill_goodput(LoadSummary& out, const LoadTest& test) {
  if (!test.objective_s && !test.objective_multiple) {
    out.why_no_goodput = "no objective was given";
    return;
  }
  LoadGoodput goodput;
  bool is_known = false;
  for (const LoadRequest& request : out.level->requests) {
    const std::optional<double> objective = objective_of(request, test);
    if (request.warm_up || (!objective && request.completed())) continue;
    is_known = is_known || objective.has_value();
    ++goodput.judged;  // one that was refused has no objective, and is within none
    if (objective && request.completed() && *request.ended_s - request.intended_s <= *objective) ++goodput.within;
  }
  if (!is_known) {
    out.why_no_goodput = "the server told of no request what it expects";
    return;
  }
  goodput.share = share_interval(goodput.within, goodput.judged);
  if (out.per_s && out.completed > 0)
    goodput.per_s = *out.per_s * static_cast<double>(goodput.within) / static_cast<double>(out.completed);
  out.goodput = goodput;
}

void fill_stages(LoadSummary& out) {
  std::map<std::string, std::pair<double, int64_t>> sums;
  std::vector<std::string> order;
  for (const LoadRequest& request : out.level->requests) {
    if (request.warm_up || !request.completed()) continue;
    for (const LoadStage& stage : request.stages) {
      auto& [sum, count] = sums[stage.name];
      if (count == 0) order.push_back(stage.name);
      sum += stage.seconds;
      ++count;
    }
  }
  for (const std::string& name : order)
    out.stages.push_back({name, sums[name].first / static_cast<double>(sums[name].second)});
}

void fill_failures(LoadSummary& out) {
  std::map<std::string, int64_t> counts;
  for (const LoadRequest& request : out.level->requests)
    if (!request.warm_up && request.end != LoadEnd::kCompleted)
      ++counts[fmt::format("{}{}{}", enum_name(request.end), request.detail.empty() ? "" : ": ", request.detail)];
  out.failures.assign(counts.begin(), counts.end());
  std::ranges::stable_sort(out.failures, [](const auto& a, const auto& b) { return a.second > b.second; });
  if (out.failures.size() > kMostFailures) {
    int64_t others = 0;
    for (size_t i = kMostFailures - 1; i < out.failures.size(); ++i) others += out.failures[i].second;
    out.failures.resize(kMostFailures - 1);
    out.failures.emplace_back("others", others);
  }
}

}  // namespace

LooseInterval quantile_interval(std::span<const double> values, double p) {
  std::vector<double> sorted(values.begin(), values.end());
  std::ranges::sort(sorted);
  const double middle = share_quantile(sorted, p);
  std::vector<uint8_t> below;
  for (const double value : values) below.push_back(value <= middle ? 1 : 0);
  const auto n = static_cast<double>(values.size());
  const auto m = std::max<int64_t>(1, static_cast<int64_t>(n / variance_inflation(below)));
  const std::vector<double> cdf = binomial_cdf(m, p);
  // The lower rank l is the largest with P(B <= l - 1) <= 2.5 %, the upper one u the least with P(B <= u - 1) >= 97.5
  // %.
  const auto low = static_cast<int64_t>(
      std::ranges::partition_point(cdf, [](double below_p) { return below_p <= kTail; }) - cdf.begin());
  const auto high = static_cast<int64_t>(
      std::ranges::partition_point(cdf, [](double below_p) { return below_p < 1 - kTail; }) - cdf.begin() + 1);
  const double scale = n / static_cast<double>(m);
  LooseInterval out;
  const auto at = [&](double rank) { return sorted[static_cast<size_t>(std::clamp(rank, 1.0, n)) - 1]; };
  if (low >= 1) out.low = std::min(middle, at(std::floor(static_cast<double>(low) * scale)));
  if (high <= m) out.high = std::max(middle, at(std::ceil(static_cast<double>(high) * scale)));
  return out;
}

const LoadQuantile& LoadSpread::at(double p) const { return *std::ranges::find(quantiles, p, &LoadQuantile::p); }

std::string LoadSummary::name() const {
  if (level->scenario) return std::string(enum_name(*level->scenario));
  if (level->concurrency) return fmt::format("{} at once", *level->concurrency);
  const std::string rate = level->rate ? fmt::format("{:.4g}/s", *level->rate) : "open";
  return level->mode == LoadMode::kTrace ? "trace, " + rate : rate;
}

LoadSummary summarise(const LoadLevel& level, const LoadTest& test) {
  LoadSummary out;
  out.level = &level;
  std::vector<double> latency, queue, service, energy, price;
  std::map<StartKnown, int64_t> known;
  for (const LoadRequest& request : level.requests) {
    if (request.warm_up) continue;
    ++out.asked;
    out.latest_s = std::max(out.latest_s, request.sent_s - request.intended_s);
    if (!request.completed()) continue;
    ++out.completed;
    ++known[request.start_known];
    latency.push_back(*request.ended_s - request.intended_s);
    if (request.started_s) {
      queue.push_back(*request.started_s - request.intended_s);
      service.push_back(*request.ended_s - *request.started_s);
    }
    if (request.energy_j) energy.push_back(*request.energy_j);
    if (request.price) price.push_back(*request.price);
  }
  out.latency = known_spread(latency);
  out.queue = known_spread(queue);
  out.service = known_spread(service);
  out.video_energy_j = mean_of(energy);
  out.price = mean_of(price);
  out.start_known.assign(known.begin(), known.end());
  const std::vector<double> times = completions(level);
  fill_rate(out, times);
  if (out.per_s)
    if (const auto energy_j = energy_between(level.power, times.front(), times.back()))
      out.all_energy_j = *energy_j / static_cast<double>(times.size() - 1);
  fill_goodput(out, test);
  fill_failures(out);
  fill_stages(out);
  return out;
}

LoadView::LoadView(LoadTest of) : test(std::move(of)) {
  for (const LoadLevel& level : test.levels) levels.push_back(summarise(level, test));
}

std::optional<double> idle_watts(const LoadTest& test) {
  if (test.idle_power.empty()) return std::nullopt;
  std::vector<double> watts;
  for (const PowerReading& reading : test.idle_power) watts.push_back(reading.watts);
  return median(watts);
}

const LoadSummary* saturation(const std::vector<LoadSummary>& levels) {
  const LoadSummary* most = nullptr;
  for (const LoadSummary& level : levels)
    if (level.per_s && (most == nullptr || *level.per_s > *most->per_s)) most = &level;
  return most;
}

}  // namespace wan
