// Lengths of time as people read them.
#pragma once

#include <string>

namespace wan {

/// "3.2 s", "2:05 min", "1:01 h"; `seconds` is 0 or more.
std::string duration_text(double seconds);

}  // namespace wan
