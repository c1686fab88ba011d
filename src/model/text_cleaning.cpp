// Mojibake is mended first (mojibake.h); then one pass over code points does all of ftfy's character fixes; a fixpoint
// loop around both does what they do to each other.
#include "model/text_cleaning.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>
#include <unicode/bytestream.h>
#include <unicode/normalizer2.h>
#include <unicode/uchar.h>

#include "base/error.h"
#include "base/utf8.h"
#include "model/html_unescape.h"
#include "model/mojibake.h"
#include "model/mojibake_classes.h"

namespace wan {
namespace {

constexpr char32_t kEscape = 0x1B;

// Digraphs and typographic ligatures of Latin letters; not those that are letters of their own, like æ.
constexpr std::pair<char32_t, std::u32string_view> kLigatures[] = {
    {0x0132, U"IJ"},      {0x0133, U"ij"}, {0x0149, U"\u02BCn"}, {0x01C4, U"D\u017D"}, {0x01C5, U"D\u017E"},
    {0x01C6, U"d\u017E"}, {0x01C7, U"LJ"}, {0x01C8, U"Lj"},      {0x01C9, U"lj"},      {0x01CA, U"NJ"},
    {0x01CB, U"Nj"},      {0x01CC, U"nj"}, {0x01F1, U"DZ"},      {0x01F2, U"Dz"},      {0x01F3, U"dz"},
    {0xFB00, U"ff"},      {0xFB01, U"fi"}, {0xFB02, U"fl"},      {0xFB03, U"ffi"},     {0xFB04, U"ffl"},
    {0xFB05, U"\u017Ft"}, {0xFB06, U"st"}};

const icu::Normalizer2& normalizer(bool compatibility) {
  UErrorCode status = U_ZERO_ERROR;
  const icu::Normalizer2* found =
      compatibility ? icu::Normalizer2::getNFKCInstance(status) : icu::Normalizer2::getNFCInstance(status);
  if (U_FAILURE(status)) throw Error(fmt::format("ICU has no normalisation data: {}", u_errorName(status)));
  return *found;
}

std::string nfc(std::string_view text) {
  UErrorCode status = U_ZERO_ERROR;
  std::string out;
  icu::StringByteSink<std::string> sink(&out, static_cast<int32_t>(text.size()));
  normalizer(false).normalizeUTF8(0, {text.data(), static_cast<int32_t>(text.size())}, sink, nullptr, status);
  if (U_FAILURE(status)) throw Error(fmt::format("ICU could not normalise the text: {}", u_errorName(status)));
  return out;
}

// Full-width Latin, half-width katakana and hangul, and the ideographic space, to their ordinary forms.
std::u32string fold_width(char32_t c) {
  if (c == 0x3000) return U" ";
  UErrorCode status = U_ZERO_ERROR;
  const icu::UnicodeString folded = normalizer(true).normalize(icu::UnicodeString(static_cast<UChar32>(c)), status);
  if (U_FAILURE(status))
    throw Error(fmt::format("ICU could not normalise U+{:04X}: {}", uint32_t{c}, u_errorName(status)));
  std::string utf8;
  return to_code_points(folded.toUTF8String(utf8));
}

bool has_width_form(char32_t c) { return c == 0x3000 || (c >= 0xFF01 && c <= 0xFFEF); }

char32_t uncurl_quote(char32_t c) {
  if (c == 0x02BC || (c >= 0x2018 && c <= 0x201B)) return U'\'';
  if (c >= 0x201C && c <= 0x201F) return U'"';
  return c;
}

char32_t plain_line_break(char32_t c) { return c == U'\r' || c == 0x2028 || c == 0x2029 ? U'\n' : c; }

bool is_unwanted_control(char32_t c) {
  return c <= 0x08 || c == 0x0B || (c >= 0x0E && c <= 0x1F) || c == 0x7F || (c >= 0x206A && c <= 0x206F) ||
         c == 0xFEFF || (c >= 0xFFF9 && c <= 0xFFFC);
}

void put_fixed(char32_t c, std::u32string& out) {
  if (has_width_form(c)) {
    for (char32_t part : fold_width(c)) out.push_back(uncurl_quote(part));
  } else {
    out.push_back(plain_line_break(uncurl_quote(c)));
  }
}

std::u32string fix_characters(std::u32string_view text) {
  std::u32string out;
  out.reserve(text.size());
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == U'\r' && i + 1 < text.size() && text[i + 1] == U'\n') continue;
    const char32_t c = text[i] >= 0x80 && text[i] <= 0x9F ? windows_1252(text[i]) : text[i];
    const auto* ligature =
        std::ranges::lower_bound(kLigatures, c, {}, &std::pair<char32_t, std::u32string_view>::first);
    if (ligature != std::end(kLigatures) && ligature->first == c) {
      for (char32_t part : ligature->second) put_fixed(part, out);
    } else {
      put_fixed(c, out);
    }
  }
  return out;
}

// Length of a terminal escape "ESC [ digits and semicolons letter" at `at`; 0 if there is none.
size_t terminal_escape(std::u32string_view text, size_t at) {
  if (text[at] != kEscape || at + 1 >= text.size() || text[at + 1] != U'[') return 0;
  size_t end = at + 2;
  while (end < text.size() && (text[end] == U';' || u_isdigit(static_cast<UChar32>(text[end])))) ++end;
  const bool letter = end < text.size() && text[end] < 0x80 && u_isalpha(static_cast<UChar32>(text[end]));
  return letter ? end + 1 - at : 0;
}

std::u32string without_escapes_and_controls(std::u32string_view text) {
  std::u32string out;
  out.reserve(text.size());
  for (size_t i = 0; i < text.size();) {
    const size_t escape = terminal_escape(text, i);
    if (escape == 0 && !is_unwanted_control(text[i])) out.push_back(text[i]);
    i += std::max<size_t>(escape, 1);
  }
  return out;
}

std::string single_spaces(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  bool pending = false;
  for (size_t at = 0; at < text.size();) {
    const size_t begin = at;
    if (mojibake::is_python_space(next_code_point(text, at))) {
      pending = !out.empty();
      continue;
    }
    if (pending) out.push_back(' ');
    pending = false;
    out += text.substr(begin, at - begin);
  }
  return out;
}

}  // namespace

std::string fix_text(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  bool unescape = true;  // a "<" makes this and all later lines HTML, whose references are then left to the caller
  for (size_t begin = 0; begin < text.size();) {
    const size_t newline = text.find('\n', begin);
    const size_t end = newline == std::string_view::npos ? text.size() : newline + 1;
    std::string line(text.substr(begin, end - begin));
    if (line.find('<') != std::string::npos) unescape = false;
    for (std::string before; before != line;) {
      before = line;
      if (unescape) line = html_unescape_cautiously(line);
      line = nfc(to_utf8(without_escapes_and_controls(fix_characters(mend_mojibake(to_code_points(line))))));
    }
    out += line;
    begin = end;
  }
  return out;
}

std::string clean_prompt(std::string_view utf8) {
  constexpr size_t kLongest = size_t{1} << 24;  // ICU counts in 32 bits; far beyond any prompt
  if (utf8.size() > kLongest)
    throw Error(ErrorKind::kUsage,
                fmt::format("the prompt has {} bytes; at most {} are accepted", utf8.size(), kLongest));
  const size_t invalid = find_invalid_utf8(utf8);
  if (invalid != std::string_view::npos)
    throw Error(ErrorKind::kUsage,
                fmt::format("the prompt is not valid UTF-8: byte 0x{:02x} at offset {}; save or pass it as UTF-8",
                            static_cast<uint8_t>(utf8[invalid]), invalid));
  return single_spaces(html_unescape(html_unescape(fix_text(utf8))));
}

}  // namespace wan
