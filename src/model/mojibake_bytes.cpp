#include "model/mojibake_bytes.h"

#include <algorithm>
#include <cstdint>
#include <span>

#include "base/utf8.h"

namespace wan::mojibake {
namespace {

constexpr uint8_t kSubstitute = 0x1A;
constexpr size_t kLongest = 4;

uint8_t byte_at(std::string_view bytes, size_t at) { return static_cast<uint8_t>(bytes[at]); }

struct Range {
  uint8_t first = 1, last = 0;  // none
};

/// The bytes that may be at one place.
struct Place {
  Range ranges[3];

  bool holds(uint8_t byte) const {
    return std::any_of(std::begin(ranges), std::end(ranges),
                       [byte](const Range& range) { return range.first <= byte && byte <= range.last; });
  }
};

/// A sequence; places from the first empty one on are not used.
using Sequence = Place[kLongest];

constexpr Place kBlank{{{0x20, 0x20}}};
constexpr Place kTail{{{0x80, 0xBF}}};
constexpr Place kTailBesideBlank{{{0x80, 0x84}, {0x86, 0x9F}, {0xA1, 0xBF}}};

// Only what makes characters that are likely beside a space: U+00A0, U+00E0, U+0160, U+03A0, U+0420, U+0660, and
// scripts other than Samaritan, Mongolian and Chinese.
constexpr Sequence kBlankForA0[] = {
    {{{{0xC2, 0xC3}, {0xC5, 0xC5}, {0xCE, 0xCE}}}, kBlank},
    {{{{0xD0, 0xD0}, {0xD9, 0xD9}}}, kBlank},
    {{{{0xE2, 0xE3}}}, kBlank, kTailBesideBlank},
    {{{{0xE0, 0xE3}}}, kTailBesideBlank, kBlank},
    {{{{0xF0, 0xF0}}}, kBlank, kTail, kTail},
    {{{{0xF0, 0xF0}}}, kTail, kBlank, kTail},
    {{{{0xF0, 0xF0}}}, kTail, kTail, kBlank},
};

constexpr Place kLost{{{kSubstitute, kSubstitute}}};
constexpr Place kQuestion{{{'?', '?'}}};
constexpr Place kLostOrQuestion{{{kSubstitute, kSubstitute}, {'?', '?'}}};
constexpr Place kTailOrLost{{{kSubstitute, kSubstitute}, {0x80, 0xBF}}};
constexpr Place kTailLostOrQuestion{{{kSubstitute, kSubstitute}, {'?', '?'}, {0x80, 0xBF}}};
constexpr Place kLead3{{{0xE0, 0xEF}}};
constexpr Place kLead4{{{0xF0, 0xF4}}};
constexpr Place kSurrogateLead{{{0xED, 0xED}}};
constexpr Place kHighTail{{{0xA0, 0xAF}}};
constexpr Place kLowTail{{{0xB0, 0xBF}}};

constexpr Sequence kShortLost[] = {{{{{0xC2, 0xDF}}}, kLost}, {{{{0xC2, 0xC3}}}, kQuestion}};
constexpr Sequence kLongLost[] = {
    {kLead3, kLostOrQuestion, kTailOrLost},
    {kLead3, kTailOrLost, kLostOrQuestion},
    {kLead4, kLostOrQuestion, kTailOrLost, kTailOrLost},
    {kLead4, kTailOrLost, kLostOrQuestion, kTailOrLost},
    {kLead4, kTailOrLost, kTailOrLost, kLostOrQuestion},
    {kLost},
};

size_t length_of(std::span<const Place> places) {
  size_t length = 0;
  while (length < places.size() && places[length].ranges[0].first <= places[length].ranges[0].last) ++length;
  return length;
}

/// Length of the match at `at`; 0 when the places do not fit.
size_t match(std::span<const Place> places, std::string_view bytes, size_t at) {
  const size_t length = length_of(places);
  if (bytes.size() - at < length) return 0;
  for (size_t i = 0; i < length; ++i)
    if (!places[i].holds(byte_at(bytes, at + i))) return 0;
  return length;
}

template <size_t N>
size_t match_any(const Sequence (&sequences)[N], std::string_view bytes, size_t at) {
  for (const Sequence& sequence : sequences)
    if (const size_t length = match(sequence, bytes, at)) return length;
  return 0;
}

/// A surrogate pair of which the last byte of either half, or of both, was lost.
size_t lost_pair(std::string_view bytes, size_t at) {
  constexpr Place kFirstLost[] = {kSurrogateLead, kHighTail, kLostOrQuestion,
                                  kSurrogateLead, kLowTail,  kTailLostOrQuestion};
  constexpr Place kLastLost[] = {kSurrogateLead, kHighTail, kTailLostOrQuestion,
                                 kSurrogateLead, kLowTail,  kLostOrQuestion};
  const size_t length = match(kFirstLost, bytes, at);
  return length > 0 ? length : match(kLastLost, bytes, at);
}

/// "Ã " as a word, but for Portuguese words that begin with "à".
bool is_a_grave_word(std::string_view bytes, size_t at) {
  if (!bytes.substr(at).starts_with("\xC3 ")) return false;
  const std::string_view after = bytes.substr(at + 2);
  constexpr std::string_view kNone[] = {" ", "quele", "quela", "quilo", "s "};
  return std::none_of(std::begin(kNone), std::end(kNone), [&](auto word) { return after.starts_with(word); });
}

std::string with_a_grave_words(std::string_view bytes) {
  std::string out;
  for (size_t at = 0; at < bytes.size();) {
    const bool word = is_a_grave_word(bytes, at);
    out += word ? std::string_view("\xC3\xA0 ") : bytes.substr(at, 1);
    at += word ? 2 : 1;
  }
  return out;
}

bool has_blank_for_a0(std::string_view bytes) {
  for (size_t at = 0; at < bytes.size(); ++at)
    if (match_any(kBlankForA0, bytes, at) > 0) return true;
  return false;
}

/// The character that six bytes of a surrogate pair stand for.
std::optional<char32_t> pair_at(std::string_view bytes, size_t at) {
  constexpr Place kPair[] = {kSurrogateLead, kHighTail, kTail, kSurrogateLead, kLowTail, kTail};
  if (match(kPair, bytes, at) == 0) return std::nullopt;
  const auto bits = [&](size_t i, uint32_t mask) { return byte_at(bytes, at + i) & mask; };
  return 0x10000 + (bits(1, 0x0F) << 16) + (bits(2, 0x3F) << 10) + (bits(4, 0x0F) << 6) + bits(5, 0x3F);
}

}  // namespace

std::string with_spaces_as_a0(std::string_view bytes) {
  if (!has_blank_for_a0(bytes)) return std::string(bytes);
  std::string out = with_a_grave_words(bytes);
  for (size_t at = 0; at < out.size();) {
    const size_t length = match_any(kBlankForA0, out, at);
    std::replace(out.begin() + static_cast<std::ptrdiff_t>(at), out.begin() + static_cast<std::ptrdiff_t>(at + length),
                 ' ', '\xA0');
    at += std::max<size_t>(length, 1);
  }
  return out;
}

std::string with_losses_marked(std::string_view bytes) {
  std::string out;
  for (size_t at = 0; at < bytes.size();) {
    size_t length = match_any(kShortLost, bytes, at);
    if (length == 0) length = lost_pair(bytes, at);
    if (length == 0) length = match_any(kLongLost, bytes, at);
    out += length > 0 ? std::string_view("\xEF\xBF\xBD") : bytes.substr(at, 1);
    at += std::max<size_t>(length, 1);
  }
  return out;
}

std::optional<std::u32string> decode_utf8_variant(std::string_view bytes) {
  std::string utf8;  // the bytes with each variant written as UTF-8
  for (size_t at = 0; at < bytes.size();) {
    const std::optional<char32_t> pair = pair_at(bytes, at);
    const bool null = bytes.substr(at).starts_with("\xC0\x80");
    if (pair)
      append_utf8(utf8, *pair);
    else
      utf8.push_back(null ? '\0' : bytes[at]);
    at += pair ? 6 : null ? 2 : 1;
  }
  if (find_invalid_utf8(utf8) != std::string_view::npos) return std::nullopt;
  return to_code_points(utf8);
}

}  // namespace wan::mojibake
