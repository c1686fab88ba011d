// What a buyer asks of one case: time, videos an hour, energy and price of a video, and where its time goes.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "analysis/summary.h"
#include "analysis/tables.h"

namespace wan {

/// Where a part of the total is spent.
enum class Place { kGpu, kHost, kUnattributed };
std::string_view to_string(Place place);  // "gpu", "host", "unattributed"

/// All leaves of one role together, by their medians.
struct TimePart {
  StageRole role = StageRole::kOther;
  std::string name;
  Place place = Place::kHost;
  double seconds = 0;
  double share = 0;  // of the total's median
};

struct BuyerNumbers {
  Quantity videos_per_hour;         // of one card that does nothing else
  Quantity energy_wh;               // per video
  std::optional<double> gpu_hours;  // card time one video takes, for any price an hour; nothing without a card
  std::optional<Cost> cost;         // per video, where the table has a price
  std::string no_cost_reason;
  std::vector<TimePart> parts;  // in order of first appearance
  std::optional<double> gpu_share, host_share;
};

/// `price` is the card's entry of the table, or nullptr. A rate's interval is the interval of the time, turned over:
/// the median keeps its place under a monotone map. Empty for a summary without a valid run.
BuyerNumbers buyer_numbers(const CaseSummary& summary, const CardPrice* price);

/// Applies a monotone map to an estimate's median and bounds; a falling one swaps the bounds.
Quantity mapped(const Quantity& quantity, double (*map)(double));

/// What a cold run costs more than a warm one, in seconds of the medians; nothing unless both have a valid run.
std::optional<double> cold_extra_s(const CaseSummary& cold, const CaseSummary& warm);

}  // namespace wan
