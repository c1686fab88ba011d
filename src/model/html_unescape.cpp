// Two readings of "&...": HTML5's forgiving one and ftfy's cautious one. The names are data, in html_entities.inc.
#include "model/html_unescape.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <utility>

#include <unicode/locid.h>
#include <unicode/unistr.h>

#include "base/utf8.h"

namespace wan {
namespace {

using Entity = std::pair<std::string_view, std::string_view>;

constexpr Entity kEntities[] = {
#include "model/html_entities.inc"
};
static_assert(std::ranges::is_sorted(kEntities, {}, &Entity::first));

constexpr std::array<char32_t, 32> kWindows1252 = {0x20AC, 0x81,   0x201A, 0x0192, 0x201E, 0x2026, 0x2020, 0x2021,
                                                   0x02C6, 0x2030, 0x0160, 0x2039, 0x0152, 0x8D,   0x017D, 0x8F,
                                                   0x90,   0x2018, 0x2019, 0x201C, 0x201D, 0x2022, 0x2013, 0x2014,
                                                   0x02DC, 0x2122, 0x0161, 0x203A, 0x0153, 0x9D,   0x017E, 0x0178};

constexpr char32_t kReplacement = 0xFFFD;
constexpr char32_t kMaxCodePoint = 0x10FFFF;
constexpr size_t kLongestName = 32;  // code points, by HTML5's longest name

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_hex(char c) { return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F'); }
bool is_alphanumeric(char c) { return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

char32_t digit_value(char c) {
  if (is_digit(c)) return static_cast<char32_t>(c - '0');
  return static_cast<char32_t>((c | 0x20) - 'a' + 10);
}

bool is_noncharacter_or_control(char32_t c) {
  return (c >= 0x1 && c <= 0x8) || c == 0xB || (c >= 0xE && c <= 0x1F) || (c >= 0x7F && c <= 0x9F) ||
         (c >= 0xFDD0 && c <= 0xFDEF) || (c & 0xFFFE) == 0xFFFE;
}

void append_numbered(std::string& out, char32_t number) {
  if (number == 0 || (number >= 0xD800 && number <= 0xDFFF) || number > kMaxCodePoint)
    return append_utf8(out, kReplacement);
  if (number >= 0x80 && number <= 0x9F) return append_utf8(out, windows_1252(number));
  if (!is_noncharacter_or_control(number)) append_utf8(out, number);
}

// Reads "#123;" or "#x1F;" (semicolon optional) at `at`; moves past it and appends its text, or does neither.
bool read_numbered(std::string_view text, size_t& at, std::string& out) {
  size_t digits = at + 1;
  const bool hex = digits < text.size() && (text[digits] == 'x' || text[digits] == 'X');
  if (hex) ++digits;
  size_t end = digits;
  char32_t number = 0;
  for (; end < text.size() && (hex ? is_hex(text[end]) : is_digit(text[end])); ++end)
    number = std::min<char32_t>(number * (hex ? 16 : 10) + digit_value(text[end]), kMaxCodePoint + 1);
  if (end == digits) return false;
  append_numbered(out, number);
  at = end < text.size() && text[end] == ';' ? end + 1 : end;
  return true;
}

// The longest thing at `at` that could be a name: up to 32 characters and a semicolon.
std::string_view name_at(std::string_view text, size_t at) {
  size_t end = at;
  for (size_t count = 0; count < kLongestName && end < text.size(); ++count) {
    if (std::string_view("\t\n\f <&#;").find(text[end]) != std::string_view::npos) break;
    next_code_point(text, end);
  }
  if (end > at && end < text.size() && text[end] == ';') ++end;
  return text.substr(at, end - at);
}

bool read_named(std::string_view text, size_t& at, std::string& out) {
  const std::string_view name = name_at(text, at);
  for (size_t length = name.size(); length >= 2; --length) {
    const auto value = html_entity(name.substr(0, length));
    if (!value) continue;
    out += *value;
    at += length;
    return true;
  }
  return false;
}

std::string uppercase(std::string_view text) {
  std::string out;
  icu::UnicodeString::fromUTF8({text.data(), static_cast<int32_t>(text.size())})
      .toUpper(icu::Locale::getRoot())
      .toUTF8String(out);
  return out;
}

// A name in capitals whose lower-case form is in the table, unless HTML5 reads it, or its beginning, already.
std::optional<std::string> capital_entity(std::string_view name) {
  std::string lower(name), unchanged("&");
  unchanged += name;
  for (char& c : lower) {
    if (c >= 'a' && c <= 'z') return std::nullopt;
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c | 0x20);
  }
  const auto value = html_entity(lower);
  if (!value || lower == name || html_unescape(unchanged) != unchanged) return std::nullopt;
  return uppercase(*value);
}

// The text of a whole reference "&...;" of letters and digits, if it is one; a numbered semicolon is left alone, as in
// ftfy.
std::optional<std::string> cautious_entity(std::string_view reference) {
  if (reference[1] == '#') {
    std::string out;
    size_t at = 1;
    if (!read_numbered(reference, at, out) || at != reference.size() || out == ";") return std::nullopt;
    return out;
  }
  const std::string_view name = reference.substr(1);
  if (const auto value = html_entity(name)) return std::string(*value);
  return capital_entity(name);
}

}  // namespace

std::optional<std::string_view> html_entity(std::string_view name) {
  const auto* found = std::ranges::lower_bound(kEntities, name, {}, &Entity::first);
  if (found == std::end(kEntities) || found->first != name) return std::nullopt;
  return found->second;
}

char32_t windows_1252(char32_t c1_control) { return kWindows1252[c1_control - 0x80]; }

std::string html_unescape(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (size_t at = 0; at < text.size();) {
    if (text[at] == '&' && at + 1 < text.size()) {
      size_t next = at + 1;
      if (text[next] == '#' ? read_numbered(text, next, out) : read_named(text, next, out)) {
        at = next;
        continue;
      }
    }
    out.push_back(text[at++]);
  }
  return out;
}

std::string html_unescape_cautiously(std::string_view text) {
  constexpr size_t kLongest = 24;
  std::string out;
  out.reserve(text.size());
  for (size_t at = 0; at < text.size();) {
    if (text[at] == '&') {
      const size_t begin = at + 1 < text.size() && text[at + 1] == '#' ? at + 2 : at + 1;
      size_t end = begin;
      while (end < text.size() && end - begin < kLongest && is_alphanumeric(text[end])) ++end;
      if (end > begin && end < text.size() && text[end] == ';') {
        const std::string_view reference = text.substr(at, end + 1 - at);
        const auto value = cautious_entity(reference);
        out += value ? *value : std::string(reference);
        at = end + 1;
        continue;
      }
    }
    out.push_back(text[at++]);
  }
  return out;
}

}  // namespace wan
