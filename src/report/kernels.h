// The kernels of a case's traced run, for both reports. Internal to the report.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

#include "analysis/summary.h"

namespace wan::report {

/// null when no run of the case was traced.
nlohmann::json kernels_data(const CaseSummary& summary);

/// Its section from "##### Kernels ..." on; empty when no run of the case was traced.
std::string kernels_markdown(const CaseSummary& summary);

}  // namespace wan::report
