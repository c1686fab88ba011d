// One case of the page's data. Internal to the HTML report.
#pragma once

#include <filesystem>
#include <nlohmann/json_fwd.hpp>
#include <string>

#include "analysis/report_view.h"
#include "report/html.h"

namespace wan::report {

/// Everything the page shows of a case.
nlohmann::json case_data(const CaseView& shown, const HtmlOptions& options);

/// A quantity as {value, low, high, runs, single, source}, or {value: null, reason}. `extremes_coverage` says that low
/// and high are the lowest and the highest run, which cover the median with this probability.
nlohmann::json quantity_data(const Quantity& quantity);
/// {"cond", "uncond"}: a letter a step of each branch; null: nothing was reused, or it is not known.
nlohmann::json forwards_data(const RunRecord& run);

/// A file by component: the page escapes each. Null where there is none, or it is not below the page's folder.
nlohmann::json path_data(const std::filesystem::path& file);

/// Whether an estimate's interval is from its lowest to its highest run.
bool is_of_extremes(const Estimate& estimate);

}  // namespace wan::report
