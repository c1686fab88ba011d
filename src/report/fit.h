// What fits on which card, for both reports. Internal to the report.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "analysis/fit_map.h"

namespace wan::report {

/// A map for each card and way to run a model; empty without a case on a card.
nlohmann::json fit_maps_data(const std::vector<FitMap>& maps);

/// From "## What Fits" on; empty without a case on a card.
std::string fit_markdown(const std::vector<FitMap>& maps);

}  // namespace wan::report
