// The page at /: written by hand in src/serve/assets, embedded in the program.
#pragma once

#include <string_view>

namespace wan::serve {

std::string_view page_html();
std::string_view page_script();
std::string_view page_style();

}  // namespace wan::serve
