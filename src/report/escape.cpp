#include "report/escape.h"

#include <algorithm>
#include <cctype>

#include <fmt/format.h>

#include "base/checked_number.h"
#include "base/terminal.h"

namespace wan::report {
namespace {

/// A character within a word: of more than one byte it counts as one.
bool is_word(char c) {
  return std::isalnum(static_cast<unsigned char>(c)) != 0 || static_cast<unsigned char>(c) >= 0x80;
}

/// In one line, and nothing in it steers a terminal.
std::string one_line(std::string_view text) {
  std::string line(text);
  std::replace_if(
      line.begin(), line.end(), [](char c) { return c == '\n' || c == '\r' || c == '\t'; }, ' ');
  return terminal_text(line);
}

/// What may be markup at this place within a line; an underscore inside a word is none, an ampersand only before what
/// may be the name of a character.
bool is_markup(std::string_view line, size_t i) {
  const char before = i > 0 ? line[i - 1] : ' ', after = i + 1 < line.size() ? line[i + 1] : ' ';
  switch (line[i]) {
    case '_': return !is_word(before) || !is_word(after);
    case '&': return after == '#' || std::isalpha(static_cast<unsigned char>(after)) != 0;
    default: return std::string_view("\\`*[]<>|~$").find(line[i]) != std::string_view::npos;
  }
}

/// Where at the line's start a heading, a list, a rule or an underline would begin; npos: nowhere.
size_t block_mark(std::string_view line) {
  const size_t first = std::min(line.find_first_not_of(' '), line.size());
  const std::string_view rest = line.substr(first);
  const char second = rest.size() > 1 ? rest[1] : ' ';
  if (rest.starts_with('#') && (second == '#' || second == ' ')) return first;
  if ((rest.starts_with('-') || rest.starts_with('+')) && (second == ' ' || second == rest[0])) return first;
  if (rest.starts_with('=')) return first;
  const size_t digits = std::min(rest.find_first_not_of("0123456789"), rest.size());
  const bool ends_number = digits > 0 && digits < rest.size() && (rest[digits] == '.' || rest[digits] == ')');
  if (ends_number && (digits + 1 == rest.size() || rest[digits + 1] == ' ')) return first + digits;
  return std::string_view::npos;
}

/// The longest run of backticks.
size_t longest_ticks(std::string_view text) {
  size_t longest = 0, run = 0;
  for (const char c : text) {
    run = c == '`' ? run + 1 : 0;
    longest = std::max(longest, run);
  }
  return longest;
}

/// What steers a terminal is shown, since an export may end on one. Line ends and tabs stay: a cell may have them.
std::string with_shown_controls(std::string_view text) {
  constexpr std::string_view kKept = "\n\r\t";
  std::string out;
  while (!text.empty()) {
    const size_t length = std::min(text.find_first_of(kKept), text.size());
    out += terminal_text(text.substr(0, length));
    if (length < text.size()) out += text[length];
    text.remove_prefix(std::min(length + 1, text.size()));
  }
  return out;
}

}  // namespace

std::string markdown_text(std::string_view text) {
  const std::string line = one_line(text);
  const size_t mark = block_mark(line);
  std::string out;
  for (size_t i = 0; i < line.size(); ++i) {
    if (i == mark || is_markup(line, i)) out += '\\';
    out += line[i];
  }
  return out;
}

std::string markdown_code(std::string_view text) {
  const std::string line = one_line(text);
  const std::string ticks(longest_ticks(line) + 1, '`');
  const bool touches = line.empty() || line.front() == '`' || line.back() == '`';
  return touches ? fmt::format("{0} {1} {0}", ticks, line) : fmt::format("{0}{1}{0}", ticks, line);
}

std::string markdown_cell(std::string_view markdown) {
  std::string out;
  for (const char c : markdown) {
    const bool is_bare = c == '|' && !out.ends_with('\\');
    out += is_bare ? std::string("\\|") : std::string(1, c == '\n' ? ' ' : c);
  }
  return out;
}

std::string markdown_block(std::string_view text) {
  std::string lines;
  for (size_t at = 0; at <= text.size();) {
    const size_t end = std::min(text.find('\n', at), text.size());
    lines += terminal_text(text.substr(at, end - at)) + "\n";
    at = end + 1;
  }
  const std::string fence(std::max<size_t>(3, longest_ticks(text) + 1), '`');
  return fmt::format("{0}text\n{1}{0}\n", fence, lines);
}

std::string xml_text(std::string_view text) {
  const std::string line = one_line(text);
  std::string out;
  for (size_t i = 0; i < line.size(); ++i) {
    // U+FFFE and U+FFFF are no characters of XML.
    if (line.compare(i, 2, "\xEF\xBF") == 0 && i + 2 < line.size() && (line[i + 2] & 0xFE) == 0xBE) {
      out += '?';
      i += 2;
      continue;
    }
    const char c = line[i];
    switch (c) {
      case '&': out += "&amp;"; break;
      case '<': out += "&lt;"; break;
      case '>': out += "&gt;"; break;
      case '"': out += "&quot;"; break;
      case '\'': out += "&#39;"; break;
      default: out += c;
    }
  }
  return out;
}

std::string csv_text(std::string_view text) {
  // As OWASP's "CSV Injection" lists them.
  const bool may_be_formula =
      !text.empty() && std::string_view("=+-@\t\r\n").find(text.front()) != std::string_view::npos;
  std::string value = with_shown_controls(text);
  if (may_be_formula && !checked_number<double>(text)) value.insert(0, 1, '\'');
  if (value.find_first_of(",\"\n\r") == std::string::npos) return value;
  std::string out = "\"";
  for (const char c : value) {
    if (c == '"') out += '"';
    out += c;
  }
  return out + "\"";
}

std::string script_safe(const std::string& json) {
  std::string out;
  out.reserve(json.size());
  for (size_t i = 0; i < json.size(); ++i) {
    const char c = json[i];
    // U+2028 and U+2029 end a line in older JavaScript.
    const bool separator =
        json.compare(i, 2, "\xE2\x80") == 0 && i + 2 < json.size() && (json[i + 2] == '\xA8' || json[i + 2] == '\xA9');
    if (separator) {
      out += json[i + 2] == '\xA8' ? "\\u2028" : "\\u2029";
      i += 2;
    } else if (c == '<' || c == '>' || c == '&') {
      out += fmt::format("\\u{:04x}", static_cast<unsigned>(c));
    } else {
      out += c;
    }
  }
  return out;
}

}  // namespace wan::report
