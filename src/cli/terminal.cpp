#include "cli/terminal.h"

#include <sys/ioctl.h>
#include <unistd.h>

namespace wan::cli {

size_t terminal_width() {
  winsize size{};
  constexpr size_t kUsual = 100;
  return ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col - 1u : kUsual;
}

}  // namespace wan::cli
