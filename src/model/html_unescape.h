// HTML character references back to text, by HTML5's rules as Python's html.unescape applies them.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace wan {

/// Replaces named references (also those HTML5 allows without a semicolon, by longest prefix: "&notit" is "¬it"),
/// decimal and hexadecimal ones; numbers 0x80-0x9F mean Windows-1252, impossible ones U+FFFD, control characters
/// vanish. `text` is well-formed UTF-8, as is the result. Source: HTML Standard 13.2.5.72; Python 3 html/__init__.py.
std::string html_unescape(std::string_view text);

/// The cautious form: only references that end in a semicolon, and names written in capitals throughout ("&EACUTE;").
/// Source: ftfy 6 fixes.unescape_html.
std::string html_unescape_cautiously(std::string_view text);

/// The text of a named reference, `name` as in HTML5's table: without "&", with the semicolon if it has one.
std::optional<std::string_view> html_entity(std::string_view name);

/// What Windows-1252 has at a C1 control character (U+0080 - U+009F); the character itself where it has nothing.
char32_t windows_1252(char32_t c1_control);

}  // namespace wan
