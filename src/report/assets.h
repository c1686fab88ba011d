// The page's own script and style, and the chart library, as the build embedded them.
#pragma once

#include <string_view>

namespace wan::report {

std::string_view page_style();
std::string_view page_script();
/// Chart.js, minified, with its licence line; empty when the build did not find the library.
std::string_view chart_library();

}  // namespace wan::report
