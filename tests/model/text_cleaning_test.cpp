#include "model/text_cleaning.h"

#include <fstream>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "model/html_unescape.h"
#include "model/utf8.h"

namespace wan {
namespace {

using ::testing::HasSubstr;

nlohmann::json cases() {
  std::ifstream file(WAN_SOURCE_DIR "/tests/model/text_cleaning_cases.json");
  return nlohmann::json::parse(file);
}

// Expected values come from ftfy 6.3.1 and Python's html.unescape: tools/make_text_cleaning_cases.py.
TEST(TextCleaning, MatchesOfficialCleaning) {
  int compared = 0;
  const nlohmann::json all = cases();
  for (const auto& entry : all.at("covered")) {
    EXPECT_EQ(clean_prompt(entry[0].get<std::string>()), entry[1].get<std::string>()) << entry[0];
    ++compared;
  }
  EXPECT_GE(compared, 250);
}

TEST(TextCleaning, LeavesMojibakeAsFtfyWithoutRepairDoes) {
  const nlohmann::json all = cases();
  for (const auto& entry : all.at("not_covered"))
    EXPECT_EQ(clean_prompt(entry[0].get<std::string>()), entry[1].get<std::string>()) << entry[0];
  EXPECT_EQ(clean_prompt("s\u00C3\u00B3"), "s\u00C3\u00B3");
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
