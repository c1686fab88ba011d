#include "analysis/load_compare.h"

#include <algorithm>
#include <cmath>
#include <set>

#include <fmt/format.h>

namespace wan {
namespace {

constexpr double kSameRate = 0.02;

bool answers(const LoadLevel& a, const LoadLevel& b) {
  if (a.mode != b.mode || a.concurrency != b.concurrency || a.scenario != b.scenario) return false;
  if (!a.rate || !b.rate) return a.rate == b.rate;
  return std::abs(*b.rate / *a.rate - 1) <= kSameRate;
}

void judge(LoadComparedRow& row, double margin) {
  if (!row.interval.low || !row.interval.high) {
    row.reason = "too few requests for an interval";
    return;
  }
  const double low = *row.interval.low, high = *row.interval.high;
  if (high < 1 - margin)
    row.verdict = Verdict::kFaster;
  else if (low > 1 + margin)
    row.verdict = Verdict::kSlower;
  else if (low >= 1 - margin && high <= 1 + margin)
    row.verdict = Verdict::kSame;
  else
    row.reason = "the interval holds both";
}

/// Whose intervals of 95 % do not even touch differ.
LoadComparedRow row_of(const std::string& name, double a, const LooseInterval& of_a, double b,
                       const LooseInterval& of_b, double margin) {
  LoadComparedRow row{name, a, b, b / a, {}, Verdict::kInconclusive, ""};
  if (of_b.low && of_a.high && *of_a.high > 0) row.interval.low = *of_b.low / *of_a.high;
  if (of_b.high && of_a.low && *of_a.low > 0) row.interval.high = *of_b.high / *of_a.low;
  judge(row, margin);
  return row;
}

LooseInterval inverse(const LooseInterval& rate) {
  LooseInterval out;
  if (rate.high && *rate.high > 0) out.low = 1 / *rate.high;
  if (rate.low && *rate.low > 0) out.high = 1 / *rate.low;
  return out;
}

LooseInterval loose(const std::optional<Interval>& interval) {
  return interval ? LooseInterval{interval->low, interval->high} : LooseInterval{};
}

std::vector<double> services_of(const LoadLevel& level) {
  std::vector<double> out;
  for (const LoadRequest& request : level.requests)
    if (!request.warm_up && request.completed() && request.started_s && *request.ended_s > *request.started_s)
      out.push_back(*request.ended_s - *request.started_s);
  return out;
}

void compare_levels(LoadLevelPair& pair, double margin) {
  const LoadSummary &a = *pair.a, &b = *pair.b;
  if (a.per_s && b.per_s)
    pair.rows.push_back(row_of("seconds a video", 1 / *a.per_s, inverse(a.per_s_interval), 1 / *b.per_s,
                               inverse(b.per_s_interval), margin));
  if (a.latency && b.latency)
    for (const double p : {0.5, 0.95, 0.99}) {
      const LoadQuantile &of_a = a.latency->at(p), &of_b = b.latency->at(p);
      if (of_a.value > 0)
        pair.rows.push_back(row_of(fmt::format("latency p{:.0f}", 100 * p), of_a.value, of_a.interval, of_b.value,
                                   of_b.interval, margin));
    }
  const std::vector<double> of_a = services_of(*a.level), of_b = services_of(*b.level);
  if (!of_a.empty() && !of_b.empty()) {
    const RatioTest test = compare_values(of_a, of_b, {.margin = margin, .allowed_fields = {}});
    pair.rows.push_back(
        {"service", median(of_a), median(of_b), test.ratio, loose(test.interval), test.verdict, test.reason});
  }
  if (a.video_energy_j && b.video_energy_j && a.video_energy_j->value > 0)
    pair.rows.push_back(row_of("energy a video", a.video_energy_j->value, loose(a.video_energy_j->interval),
                               b.video_energy_j->value, loose(b.video_energy_j->interval), margin));
}

}  // namespace

LoadComparison compare_loads(const LoadView& a, const LoadView& b, double margin) {
  LoadComparison out;
  for (const auto& [key, value] : a.test.settings) {
    const auto found = b.test.settings.find(key);
    if (found == b.test.settings.end() || found->second != value)
      out.refusals.push_back(fmt::format("not the same requests: {} is {} in A and {} in B", key, value,
                                         found == b.test.settings.end() ? "not given" : found->second));
  }
  for (const auto& [key, value] : b.test.settings)
    if (!a.test.settings.contains(key))
      out.refusals.push_back(fmt::format("not the same requests: {} is not given in A and {} in B", key, value));
  if (!out.refusals.empty()) return out;
  if (a.test.adapter != b.test.adapter)
    out.caveats.push_back(fmt::format("A was asked by the adapter {}, B by {}", a.test.adapter, b.test.adapter));
  if (a.test.model != b.test.model)
    out.caveats.push_back(fmt::format("A's server says it has {}, B's {}", a.test.model, b.test.model));
  if (!a.test.prompts_sha256.empty() && !b.test.prompts_sha256.empty() &&
      a.test.prompts_sha256 != b.test.prompts_sha256)
    out.caveats.push_back("A and B were asked for other prompts");
  if (a.test.settings.empty()) out.caveats.push_back("sizes and steps were left to the servers: they may differ");
  std::set<const LoadSummary*> answered;
  for (const LoadSummary& level : a.levels) {
    const auto found = std::ranges::find_if(b.levels, [&](const LoadSummary& other) {
      return !answered.contains(&other) && answers(*level.level, *other.level);
    });
    if (found == b.levels.end()) {
      out.only_in_a.push_back(level.name());
      continue;
    }
    answered.insert(&*found);
    LoadLevelPair& pair = out.pairs.emplace_back(LoadLevelPair{level.name(), &level, &*found, {}});
    compare_levels(pair, margin);
    const auto failed = [](const LoadSummary& side) { return side.asked - side.completed; };
    if (failed(level) > 0 || failed(*found) > 0)
      out.caveats.push_back(fmt::format("{}: {} of {} were not completed in A, {} of {} in B", level.name(),
                                        failed(level), level.asked, failed(*found), found->asked));
  }
  for (const LoadSummary& level : b.levels)
    if (!answered.contains(&level)) out.only_in_b.push_back(level.name());
  return out;
}

}  // namespace wan
