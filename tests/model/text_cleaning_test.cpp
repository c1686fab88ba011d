#include "model/text_cleaning.h"

#include <fstream>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/utf8.h"
#include "model/html_unescape.h"

namespace wan {
namespace {

using ::testing::HasSubstr;

/// Pairs of a text and what it becomes.
nlohmann::json cases() {
  std::ifstream file(WAN_SOURCE_DIR "/tests/model/text_cleaning_cases.json");
  return nlohmann::json::parse(file);
}

// Expected values come from ftfy 6.3.1 and Python's html.unescape: tools/make_text_cleaning_cases.py.
TEST(TextCleaning, MatchesOfficialCleaning) {
  int compared = 0, changed = 0;
  for (const auto& entry : cases()) {
    const auto text = entry[0].get<std::string>(), wanted = entry[1].get<std::string>();
    EXPECT_EQ(clean_prompt(text), wanted) << entry[0];
    ++compared;
    if (text != wanted) ++changed;
  }
  EXPECT_GE(compared, 1000);
  EXPECT_GE(changed, 500);
}

TEST(TextCleaning, MendsMojibake) {
  EXPECT_EQ(clean_prompt("a caf\u00C3\u00A9 at night"), "a caf\u00E9 at night");
  EXPECT_EQ(clean_prompt("s\u00C3\u0192\u00C2\u00B3"), "s\u00F3");                // garbled twice
  EXPECT_EQ(clean_prompt("voil\u00C3  le travail"), "voil\u00E0 le travail");     // a space for U+00A0
  EXPECT_EQ(clean_prompt("\u00E2\u20AC\u0153x\u00E2\u20AC\uFFFD"), "\"x\uFFFD");  // a byte was lost
  EXPECT_EQ(clean_prompt("\u0420\u0457\u0421\u0402\u0420\u0451\u0420\u0406\u0420\u00B5\u0421\u201A"),
            "\u043F\u0440\u0438\u0432\u0435\u0442");  // Windows-1251
}

TEST(TextCleaning, LeavesIntendedTextAlone) {
  for (const std::string text :
       {"Stra\u00DFe in K\u00F6ln, na\u00EFve caf\u00E9", "\u041F\u0440\u0438\u0432\u0435\u0442, \u043C\u0438\u0440!",
        "\u00C5 i \u00E5a \u00E4 e \u00F6", "100 \u20AC, \u00A35", "\u732B\u3068\u72AC", "\u00C3"})
    EXPECT_EQ(clean_prompt(text), text);
}

TEST(TextCleaning, KeepsCaseAndPunctuation) { EXPECT_EQ(clean_prompt("The CAT, (really)!"), "The CAT, (really)!"); }

TEST(TextCleaning, RefusesInvalidUtf8) {
  for (const std::string bad : {"\xff", "\xc3", "\xc0\x80", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\xe2\x82", "\x80"}) {
    const std::string text = "ab" + bad;
    try {
      clean_prompt(text);
      ADD_FAILURE() << "accepted";
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::kUsage);
      EXPECT_THAT(error.what(), HasSubstr("offset 2"));
    }
  }
}

TEST(TextCleaning, HtmlTableIsComplete) {
  EXPECT_EQ(html_entity("CounterClockwiseContourIntegral;"), "\u2233");
  EXPECT_EQ(html_entity("AElig"), "\u00C6");
  EXPECT_EQ(html_entity("zwnj;"), "\u200C");
  EXPECT_FALSE(html_entity("zwnj"));
  EXPECT_FALSE(html_entity(""));
}

TEST(Utf8, RoundTripsEveryCodePoint) {
  std::u32string all;
  for (char32_t c = 0; c <= 0x10FFFF; ++c)
    if (c < 0xD800 || c > 0xDFFF) all.push_back(c);
  const std::string text = to_utf8(all);
  EXPECT_EQ(find_invalid_utf8(text), std::string::npos);
  EXPECT_EQ(to_code_points(text), all);
}

}  // namespace
}  // namespace wan
