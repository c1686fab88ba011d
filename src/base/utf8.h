// UTF-8 in and out of code points, for text that has been checked once on entry.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace wan {

/// Offset of the first byte that is not part of well-formed UTF-8 (no surrogates, no overlong forms), or npos.
size_t find_invalid_utf8(std::string_view text);

/// The code point at `at`, which is moved past it. `text` must be well-formed.
char32_t next_code_point(std::string_view text, size_t& at);

/// Appends a valid code point.
void append_utf8(std::string& text, char32_t code_point);

std::u32string to_code_points(std::string_view text);
std::string to_utf8(std::u32string_view code_points);

}  // namespace wan
