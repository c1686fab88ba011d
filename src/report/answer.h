// The answer for both reports: the page's data, and the first lines of the Markdown. Internal to the report.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

#include "analysis/answer.h"

namespace wan::report {

/// Pairs of name and value.
nlohmann::json facts_data(const std::vector<Fact>& facts);

/// Bars name their case by its place in the view.
nlohmann::json answer_data(const Answer& answer, const ReportView& view);

/// The sentence, the second line and the bars of the first chart as a table.
std::string answer_markdown(const Answer& answer);

}  // namespace wan::report
