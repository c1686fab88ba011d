// Will it fit: models, sizes and stored forms against memory, for both reports. Internal to the report.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

#include "analysis/fit_table.h"

namespace wan::report {

/// {gib, rows, ran_out, how_to_read}. A row: name, asked, host_bytes, cells. A cell is a list of lines, the first of
/// which answers: {place, gib, mark, note}, of which only what there is.
nlohmann::json fit_data(const FitView& fit);

/// From "## Will It Fit" on, of the records' models alone; empty where no row is asked for and nothing ran out.
std::string fit_markdown(const FitView& fit);

}  // namespace wan::report
