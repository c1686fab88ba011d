// Text for terminals of 80 columns.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "base/terminal.h"

namespace wan::cli {

inline constexpr size_t kColumns = 80;

/// `text` broken at spaces into lines of at most 80 columns where its words allow; the first line is indented by
/// `indent` spaces, further ones by `hanging` more. Ends with a line feed. Columns are counted in bytes. The text
/// passes terminal_text, which leaves no other line feed in it.
Lines wrapped(std::string_view text, size_t indent, size_t hanging = 4);

}  // namespace wan::cli
