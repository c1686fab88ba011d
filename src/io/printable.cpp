// Keeps hostile names from cutting messages short or steering a terminal.
#include "io/printable.h"

#include "base/terminal.h"

namespace wan {

std::string printable(std::string_view text) {
  constexpr size_t kMaxBytes = 200;
  std::string out = terminal_text(text.substr(0, kMaxBytes));
  if (text.size() > kMaxBytes) out += "...";
  return out;
}

}  // namespace wan
