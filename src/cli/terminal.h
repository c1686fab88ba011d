// The terminal that progress is shown on.
#pragma once

#include <cstddef>

namespace wan::cli {

/// Characters a progress line may have on standard error: the terminal's width less one, or 100 where there is none.
size_t terminal_width();

}  // namespace wan::cli
