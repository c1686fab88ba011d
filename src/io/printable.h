// Names from files, made fit for messages and terminals.
#pragma once

#include <string>
#include <string_view>

namespace wan {

/// `text` as terminal_text makes it fit, cut after 200 bytes.
std::string printable(std::string_view text);

}  // namespace wan
