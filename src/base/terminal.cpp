#include "base/terminal.h"

#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstring>

#include "base/error.h"
#include "base/utf8.h"

namespace wan {
namespace {

/// Steers a terminal, ends a line, or turns the direction of writing.
bool steers(char32_t code) {
  return code < 0x20 || (code >= 0x7f && code < 0xa0) || code == 0x200e || code == 0x200f || code == 0x061c ||
         (code >= 0x2028 && code <= 0x202e) || (code >= 0x2066 && code <= 0x2069);
}

std::string made_fit(std::string_view text, bool keeps_lines) {
  std::string out;
  size_t invalid = find_invalid_utf8(text);
  for (size_t at = 0; at < text.size();) {
    if (at == invalid) {
      out += fmt::format("\\x{:02x}", static_cast<unsigned char>(text[at++]));
      const size_t next = find_invalid_utf8(text.substr(at));
      invalid = next == std::string_view::npos ? next : at + next;
      continue;
    }
    const size_t begin = at;
    const char32_t code = next_code_point(text, at);
    if (code == '\n' && keeps_lines)
      out += at < text.size() && text[at] != '\n' ? "\n  " : "\n";
    else if (steers(code))
      out += fmt::format(fmt::runtime(code < 0x100 ? "\\x{:02x}" : "\\u{:04x}"), static_cast<uint32_t>(code));
    else
      out += text.substr(begin, at - begin);
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
