// Keeps hostile names from cutting messages short or steering a terminal.
#include "io/printable.h"

#include <fmt/format.h>

namespace wan {

std::string printable(std::string_view text) {
  constexpr size_t kMaxBytes = 200;
  std::string out;
  for (char c : text.substr(0, kMaxBytes)) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x20 || byte == 0x7f)
      out += fmt::format("\\x{:02x}", byte);
    else
      out += c;
  }
  if (text.size() > kMaxBytes) out += "...";
  return out;
}

}  // namespace wan
