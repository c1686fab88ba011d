#include "model/mojibake.h"

#include <algorithm>
#include <optional>
#include <span>
#include <vector>

#include "model/html_unescape.h"
#include "model/mojibake_bytes.h"
#include "model/mojibake_classes.h"

namespace wan {
namespace {

using namespace mojibake;

/// One place in a rule: a character of these classes or among these.
struct Place {
  Classes classes = 0;
  std::u32string_view characters = {};
  enum { kMust, kMay } presence = kMust;
};

constexpr size_t kLongestRule = 7;

/// Characters one after another that speak of mojibake. Places that are not used have neither classes nor characters.
struct Rule {
  enum { kAnywhere, kAtBegin } where = kAnywhere;
  Place places[kLongestRule];
};

constexpr Classes kLatin = kSmallLatin | kCapitalLatin;
constexpr Classes kAccented = kUpper | kLower;
constexpr Classes kBesideBad = kAccented | kBox | kStart | kEnd | kCurrency | kNumeric | kLaw;
constexpr Classes kArabicByte = kCommon | kCurrency | kBad | kNumeric | kStart;
constexpr Classes kLatin1Byte = kC1 | kBad | kStart | kEnd | kCurrency;
constexpr std::u32string_view kArabicBytes = U"\u0178\u0160\u00AE\u00B0\u00B5\u00BB";
constexpr std::u32string_view kCyrillicLead = U"\u0412\u0413\u0420\u0421";
constexpr std::u32string_view kGreekLead = U"\u0392\u0393\u039E\u039F";
constexpr std::u32string_view kSpaceItself = U" ";

constexpr auto kAnywhere = Rule::kAnywhere;

// What each pair or triple would be is said where it is one thing alone.
constexpr Rule kRules[] = {
    {kAnywhere, {{kC1}}},
    {kAnywhere, {{kBad | kBesideBad}, {kBad}}},
    {kAnywhere, {{kLatin}, {kLowerCommon | kUpperCommon}, {kBad}}},
    {kAnywhere, {{kBad}, {kBesideBad}}},
    {kAnywhere, {{kLower | kLowerCommon | kBox | kEnd | kCurrency | kNumeric}, {kUpper}}},
    {kAnywhere, {{kBox | kEnd | kCurrency | kNumeric}, {kLower}}},
    {kAnywhere, {{kLower | kBox | kEnd}, {kCurrency}}},
    {kAnywhere, {{kSpace}, {kUpper}, {kCurrency}}},
    {kAnywhere, {{kUpper | kBox}, {kNumeric | kLaw}}},
    {kAnywhere, {{kAccented | kBox | kCurrency | kEnd}, {kStart}, {kNumeric}}},
    {kAnywhere, {{kAccented | kCurrency | kNumeric | kBox | kLaw}, {kEnd}, {kStart}}},
    {kAnywhere, {{kCurrency | kNumeric | kBox}, {kStart}}},
    {kAnywhere, {{kSmallLatin}, {kUpper}, {kStart | kCurrency}}},
    {kAnywhere, {{kBox}, {kKaomoji}}},
    {kAnywhere, {{kAccented | kCurrency | kNumeric | kStart | kEnd | kLaw}, {kBox}}},
    {kAnywhere, {{kBox}, {kEnd}}},
    {kAnywhere, {{kAccented}, {kStart | kEnd}, {kWord}}},
    {kAnywhere, {{0, U"\u0152\u0153"}, {kNotLatin}}},
    {kAnywhere, {{kUpper}, {0, U"\u00B0"}}},
    // Windows-1252 of Latin, Greek and Cyrillic letters
    {kAnywhere,
     {{0, U"\u00C2\u00C3\u00CE\u00D0"},
      {kStart | kEnd,
       U"\u20AC\u0153\u0160\u0161\u00A2\u00A3\u0178\u017E\u00a0\u00ad\u00AE\u00A9\u00B0\u00B7\u00BB\u2013\u2014"
       U"\u00B4"}}},
    {kAnywhere, {{0, U"\u00D7"}, {0, U"\u00B2\u00B3"}}},
    // Windows-1252 of Arabic
    {kAnywhere, {{0, U"\u00D8\u00D9"}, {kArabicByte, kArabicBytes}, {0, U"\u00D8\u00D9"}, {kArabicByte, kArabicBytes}}},
    // Windows-1252 of alphabets of South Asia
    {kAnywhere, {{0, U"\u00E0"}, {0, U"\u00B2\u00B5\u00B9\u00BC\u00BD\u00BE"}}},
    // MacRoman
    {kAnywhere, {{0, U"\u221A"}, {0, U"\u00B1\u2202\u2020\u2260\u00AE\u2122\u00B4\u2264\u2265\u00A5\u00B5\u00F8"}}},
    {kAnywhere, {{0, U"\u2248"}, {0, U"\u00B0\u00A2"}}},
    {kAnywhere,
     {{0, U"\u201A"},
      {0, U"\u00C4"},
      {0, U"\u00EC\u00EE\u00EF\u00F2\u00F4\u00FA\u00F9\u00FB\u2020\u00B0\u00A2\u03C0"}}},
    {kAnywhere, {{0, U"\u201A"}, {0, U"\u00E2\u00F3"}, {0, U"\u00E0\u00E4\u00B0\u00EA"}}},
    // Windows-1251 of U+2000 to U+203F, and of Latin-1 and Cyrillic
    {kAnywhere, {{0, U"\u0432"}, {0, U"\u0402"}}},
    {kAnywhere, {{0, kCyrillicLead}, {kLatin1Byte, U"\u00B0\u00B5"}, {0, kCyrillicLead}}},
    {kAnywhere,
     {{0, U"\u0413"},
      {0, U"\u045E"},
      {0, U"\u0412"},
      {0, U"\u0402"},
      {0, U"\u0412"},
      {kInLine},
      {kLatin, kSpaceItself}}},
    // Windows-1252 of "à", "á" and U+00A0, whose second byte may have become a space
    {kAnywhere, {{0, U"\u00C3"}, {0, U"\u00a0\u00A1"}}},
    {kAnywhere, {{kSmallLatin}, {kSpace, {}, Place::kMay}, {0, U"\u00C3\u00C2"}, {0, kSpaceItself}}},
    {Rule::kAtBegin, {{0, U"\u00C3\u00C2"}, {0, kSpaceItself}}},
    {kAnywhere, {{kSmallLatin | kEnd, U".,?!"}, {0, U"\u00C2"}, {kStart | kEnd, kSpaceItself}}},
    // Windows-1253 of U+2000 to U+203F, and of Latin-1 and Greek
    {kAnywhere, {{0, U"\u03B2"}, {0, U"\u20AC"}, {0, U"\u2122\u00a0\u0386\u00ad\u00AE\u00B0"}}},
    {kAnywhere, {{0, kGreekLead}, {kLatin1Byte, U"\u00B0"}, {0, kGreekLead}}},
    // Windows-1257 of U+2000 to U+203F
    {kAnywhere, {{0, U"\u0101"}, {0, U"\u20AC"}}},
};

bool fits(const Place& place, char32_t c, Classes classes) {
  return (place.classes & classes) != 0 || place.characters.find(c) != std::u32string_view::npos;
}

bool is_used(const Place& place) { return place.classes != 0 || !place.characters.empty(); }

/// Whether the places fit the characters from `at` on.
bool matches(std::span<const Place> places, std::u32string_view text, std::span<const Classes> classes, size_t at) {
  if (places.empty() || !is_used(places.front())) return true;
  const bool fits_here = at < text.size() && fits(places.front(), text[at], classes[at]);
  if (fits_here && matches(places.subspan(1), text, classes, at + 1)) return true;
  return places.front().presence == Place::kMay && matches(places.subspan(1), text, classes, at);
}

std::vector<Classes> classes_of_all(std::u32string_view text) {
  std::vector<Classes> classes(text.size());
  std::transform(text.begin(), text.end(), classes.begin(), [](char32_t c) { return classes_of(c); });
  return classes;
}

/// How many characters from `at` on stand for one character in UTF-8; 0 where none does.
size_t sequence_at(std::span<const Classes> classes, size_t at) {
  const auto trails = [&](size_t count) {
    if (classes.size() - at <= count) return false;
    return std::all_of(&classes[at] + 1, &classes[at] + 1 + count, [](Classes c) { return (c & kTrail) != 0; });
  };
  if (at >= classes.size()) return 0;
  if ((classes[at] & kLead2) != 0 && trails(1)) return 2;
  if ((classes[at] & kLead3) != 0 && trails(2)) return 3;
  if ((classes[at] & kLead4) != 0 && trails(3)) return 4;
  return 0;
}

/// Mends what is mojibake by itself in a text that is not so as a whole.
std::u32string mend_parts(std::u32string_view text) {
  const std::vector<Classes> classes = classes_of_all(text);
  std::u32string out;
  for (size_t at = 0; at < text.size();) {
    const bool begins = at == 0 || (classes[at - 1] & kTrailStrict) == 0;
    size_t end = at;
    while (begins && sequence_at(classes, end) > 0) end += sequence_at(classes, end);
    const std::u32string_view part = text.substr(at, end - at);
    if (part.empty())
      out.push_back(text[at]);
    else
      out += part.size() < text.size() && looks_like_mojibake(part) ? mend_mojibake(part) : std::u32string(part);
    at = std::max(end, at + 1);
  }
  return out;
}

std::optional<std::u32string> mend_whole(std::u32string_view text, const CodePage& page) {
  std::optional<std::string> bytes = page.encode(text);
  if (!bytes) return std::nullopt;
  if (page.spaces == Spaces::kMayBeA0) *bytes = with_spaces_as_a0(*bytes);
  if (page.losses == Losses::kAsSubstitute) *bytes = with_losses_marked(*bytes);
  return decode_utf8_variant(*bytes);
}

std::u32string mend_once(std::u32string_view text) {
  if (!looks_like_mojibake(text)) return std::u32string(text);
  for (const CodePage& page : code_pages())
    if (std::optional<std::u32string> mended = mend_whole(text, page)) return *std::move(mended);
  std::u32string mended = mend_parts(text);
  if (mended != text) return mended;
  for (char32_t& c : mended)
    if (c >= 0x80 && c <= 0x9F) c = windows_1252(c);
  return mended;
}

}  // namespace

bool looks_like_mojibake(std::u32string_view text) {
  if (std::all_of(text.begin(), text.end(), [](char32_t c) { return c < 0x80; })) return false;
  const std::vector<Classes> classes = classes_of_all(text);
  for (const Rule& rule : kRules) {
    const size_t places = rule.where == Rule::kAtBegin ? std::min<size_t>(text.size(), 1) : text.size();
    for (size_t at = 0; at < places; ++at)
      if (matches(rule.places, text, classes, at)) return true;
  }
  return false;
}

std::u32string mend_mojibake(std::u32string_view text) {
  std::u32string now(text);
  for (std::u32string before; before != now;) {
    before = std::move(now);
    now = mend_once(before);
  }
  return now;
}

}  // namespace wan
