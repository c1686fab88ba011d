// The page's data before it is text. Internal to the HTML report.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

#include "report/html.h"

namespace wan::report {

nlohmann::json page_data(const ReportView& view, const HtmlOptions& options);

/// On one line; what is no UTF-8 is replaced.
std::string text_of(const nlohmann::json& data);

}  // namespace wan::report
