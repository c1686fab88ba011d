// Messages for people, on stderr, fit for a terminal. Results never go through here.
#pragma once

#include <string_view>

namespace wan::log {

void info(std::string_view message);
void warning(std::string_view message);
void error(std::string_view message);

}  // namespace wan::log
