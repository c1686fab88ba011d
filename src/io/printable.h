// Names from files, made fit for messages and terminals.
#pragma once

#include <string>
#include <string_view>

namespace wan {

/// `text` with control characters (line ends, escapes, NUL) as \xNN, cut after 200 bytes.
std::string printable(std::string_view text);

}  // namespace wan
