// One picture of a report with several cards: seconds and cents a video, for a page or a README.
#pragma once

#include <string>

#include "analysis/report_view.h"

namespace wan::report {

/// An SVG that needs nothing else, on a ground of its own in light and dark; empty where no case of one program ran on
/// two cards. Text of records is never markup in it.
std::string cards_picture(const ReportView& view);

}  // namespace wan::report
