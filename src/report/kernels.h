// The kernels of a case's traced run, for both reports. Internal to the report.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>

#include "analysis/kernels.h"

namespace wan::report {

/// null when no run of the case was traced.
nlohmann::json kernels_data(const std::optional<TracedRun>& traced);

/// Its section from "##### Kernels ..." on; empty when no run of the case was traced.
std::string kernels_markdown(const std::optional<TracedRun>& traced);

}  // namespace wan::report
