// Rates, energy and price of a video from a summary's medians.
#include "analysis/buyer.h"

#include <algorithm>
#include <map>

namespace wan {
namespace {

constexpr double kSecondsAnHour = 3600;

Interval mapped(const Interval& interval, double (*map)(double)) {
  const auto [low, high] = std::minmax({map(interval.low), map(interval.high)});
  return {low, high};
}

Place place_of(const CaseSummary& summary, const StageSummary& leaf) {
  if (leaf.name == kUnattributedName) return Place::kUnattributed;
  return computes_on_gpu(*summary.example, leaf.role) ? Place::kGpu : Place::kHost;
}

std::vector<TimePart> time_parts(const CaseSummary& summary) {
  std::vector<TimePart> parts;
  std::map<std::string, size_t> places;  // in `parts`, by name
  const double total_s = summary.total_s.median();
  for (const StageSummary& leaf : summary.stages) {
    if (leaf.kind != StageKind::kLeaf || !leaf.wall_s.has()) continue;
    const Place place = place_of(summary, leaf);
    const std::string name = place == Place::kUnattributed    ? kUnattributedName
                             : leaf.role == StageRole::kOther ? leaf.name
                                                              : role_name(leaf.role);
    const auto [found, is_new] = places.try_emplace(name, parts.size());
    if (is_new) parts.push_back({leaf.role, name, place, 0, 0});
    TimePart& part = parts[found->second];
    part.seconds += leaf.wall_s.median();
    part.share = total_s > 0 ? part.seconds / total_s : 0;
  }
  return parts;
}

void add_cost(BuyerNumbers& out, const CaseSummary& summary, const CardPrice* price) {
  const int64_t gpus = static_cast<int64_t>(summary.example->system.gpus.size());
  if (gpus == 0 || summary.example->engine.device.starts_with("cpu")) {
    out.no_cost_reason = "the run used no GPU";
    return;
  }
  const double total_s = summary.total_s.median();
  out.gpu_hours = total_s / kSecondsAnHour * static_cast<double>(gpus);
  if (price == nullptr) {
    out.no_cost_reason = "the card is not in the price table";
  } else if (!price->per_gpu_hour) {
    out.no_cost_reason = "no price is known: " + price->source;
  } else {
    out.cost = cost_of(total_s, gpus, *price);
  }
}

}  // namespace

std::string_view to_string(Place place) {
  switch (place) {
    case Place::kGpu: return "gpu";
    case Place::kHost: return "host";
    case Place::kUnattributed: return "unattributed";
  }
  return "host";
}

Quantity mapped(const Quantity& quantity, double (*map)(double)) {
  Quantity out = quantity;
  if (!out.has()) return out;
  Estimate& estimate = *out.estimate;
  estimate.median = map(estimate.median);
  if (estimate.interval) estimate.interval = mapped(*estimate.interval, map);
  if (estimate.extremes) estimate.extremes->interval = mapped(estimate.extremes->interval, map);
  return out;
}

BuyerNumbers buyer_numbers(const CaseSummary& summary, const CardPrice* price) {
  BuyerNumbers out;
  out.energy_wh = mapped(summary.energy_j, [](double joules) { return joules / kSecondsAnHour; });
  if (!summary.total_s.has() || summary.total_s.median() <= 0) {
    out.videos_per_hour.reason = out.no_cost_reason = "no run counts";
    return out;
  }
  out.videos_per_hour = mapped(summary.total_s, [](double seconds) { return kSecondsAnHour / seconds; });
  out.parts = time_parts(summary);
  add_cost(out, summary, price);
  const auto share = [&](const Quantity& part) {
    return part.has() ? std::optional<double>(part.median() / summary.total_s.median()) : std::nullopt;
  };
  out.gpu_share = share(summary.gpu_part_s);
  out.host_share = share(summary.host_part_s);
  return out;
}

std::optional<double> cold_extra_s(const CaseSummary& cold, const CaseSummary& warm) {
  if (!cold.total_s.has() || !warm.total_s.has()) return std::nullopt;
  return cold.total_s.median() - warm.total_s.median();
}

}  // namespace wan
