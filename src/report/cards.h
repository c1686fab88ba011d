// Cards as columns, cases as rows, for both reports. Internal to the report.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "report/case_section.h"

namespace wan::report {

/// null with fewer than two machines (a card with the program that ran on it).
nlohmann::json cards_data(const std::vector<const ShownCase*>& cases);

/// From "## Cards Side by Side" on; empty with fewer than two machines.
std::string cards_markdown(const std::vector<const ShownCase*>& cases);

}  // namespace wan::report
