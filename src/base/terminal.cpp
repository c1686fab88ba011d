#include "base/terminal.h"

#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstring>

#include "base/error.h"

namespace wan {
namespace {

/// One character at the front of `text`: its code point and bytes; no code point where the bytes are no UTF-8.
struct Character {
  uint32_t code = 0;
  size_t bytes = 1;
  bool valid = false;
};

Character next_character(std::string_view text) {
  const auto byte = [&](size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char first = byte(0);
  if (first < 0x80) return {first, 1, true};
  const size_t length = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
  if (first < 0xc2 || first > 0xf4 || text.size() < length) return {};
  uint32_t code = first & (0x7fu >> length);
  for (size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xc0) != 0x80) return {};
    code = code << 6 | (byte(i) & 0x3fu);
  }
  constexpr uint32_t kLeast[] = {0, 0, 0x80, 0x800, 0x10000};
  const bool surrogate = code >= 0xd800 && code < 0xe000;
  if (code < kLeast[length] || code > 0x10ffff || surrogate) return {};
  return {code, length, true};
}

/// Steers a terminal, ends a line, or turns the direction of writing.
bool steers(uint32_t code) {
  return code < 0x20 || (code >= 0x7f && code < 0xa0) || code == 0x200e || code == 0x200f || code == 0x061c ||
         (code >= 0x2028 && code <= 0x202e) || (code >= 0x2066 && code <= 0x2069);
}

std::string made_fit(std::string_view text, bool keeps_lines) {
  std::string out;
  while (!text.empty()) {
    const Character c = next_character(text);
    if (c.code == '\n' && c.valid && keeps_lines)
      out += text.size() > 1 && text[1] != '\n' ? "\n  " : "\n";
    else if (!c.valid)
      out += fmt::format("\\x{:02x}", static_cast<unsigned char>(text.front()));
    else if (steers(c.code))
      out += c.code < 0x100 ? fmt::format("\\x{:02x}", c.code) : fmt::format("\\u{:04x}", c.code);
    else
      out += text.substr(0, c.bytes);
    text.remove_prefix(c.bytes);
  }
  return out;
}

}  // namespace

std::string terminal_text(std::string_view text) { return made_fit(text, false); }

std::string terminal_lines(std::string_view text) { return made_fit(text, true); }

void print_raw(std::string_view text) {
  if (std::fwrite(text.data(), 1, text.size(), stdout) == text.size()) return;
  throw Error(fmt::format("cannot write to standard output: {}", std::strerror(errno)));
}

void finish_output() {
  if (std::fflush(stdout) == 0 && std::ferror(stdout) == 0) return;
  throw Error(fmt::format("cannot write to standard output: {}", std::strerror(errno)));
}

}  // namespace wan
