// Cards as columns, cases as rows, for both reports. Internal to the report.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

#include "analysis/report_view.h"

namespace wan::report {

/// null with fewer than two machines (a card with the program that ran on it).
nlohmann::json cards_data(const CardsView& cards);

/// From "## Cards Side by Side" on; empty with fewer than two machines.
std::string cards_markdown(const CardsView& cards);

}  // namespace wan::report
