#include "base/json_parse.h"

#include <string>

#include <gtest/gtest.h>

#include "base/error.h"

namespace wan {
namespace {

std::string message_of(const std::string& text, JsonComments comments = JsonComments::kRefused) {
  try {
    parse_json(text, "f.json", comments);
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::kInput);
    return error.what();
  }
  return "";
}

std::string nested(const std::string& open, const std::string& close, int levels) {
  std::string text;
  for (int i = 0; i < levels; ++i) text += open;
  text += "1";
  for (int i = 0; i < levels; ++i) text += close;
  return text;
}

TEST(JsonParse, ReadsWhatTheLibraryReads) {
  for (const char* text : {"null", "true", "-5", "18446744073709551615", "1.5e3", "\"a\\u00e9\\n\"", "[]", "{}",
                           R"({"a": [1, {"b": [[], {}, null]}, "c"], "d": {"e": false}, "a2": -1})", "[[1],[2,[3]],4]"})
    EXPECT_EQ(parse_json(text, "f"), nlohmann::json::parse(text)) << text;
}

TEST(JsonParse, OfMembersOfOneNameTheLastStays) {
  EXPECT_EQ(parse_json(R"({"a": [1, 2], "a": {"b": 3}})", "f"), nlohmann::json({{"a", {{"b", 3}}}}));
}

TEST(JsonParse, NestsToTheLimitAndNoDeeper) {
  EXPECT_EQ(message_of(nested("[", "]", kMostJsonDepth)), "");
  EXPECT_EQ(message_of(nested("{\"a\":", "}", kMostJsonDepth)), "");
  for (const auto& [open, close] : {std::pair("[", "]"), std::pair("{\"a\":", "}"), std::pair("[{\"a\":", "}]")}) {
    const std::string message = message_of(nested(open, close, 200'000));
    EXPECT_EQ(message, "f.json: expected JSON nested at most 64 deep, found it deeper");
  }
}

TEST(JsonParse, LevelsBesideEachOtherDoNotAddUp) {
  std::string list = "[";
  for (int i = 0; i < 1000; ++i) list += "[[1]],{\"a\":[2]},";
  EXPECT_EQ(message_of(list + "3]"), "");
}

TEST(JsonParse, AnUnendedNestingIsRefusedBeforeItIsRead) {
  EXPECT_EQ(message_of(std::string(3'000'000, '[')), "f.json: expected JSON nested at most 64 deep, found it deeper");
}

TEST(JsonParse, SaysWhereATextIsNoJsonWithoutNamesOfTheLibrary) {
  for (const char* text : {"", "{", "[1,]", "nul", "{\"a\" 1}", "1 2", "\"\xff\"", "\"\x01\"", "'a'"}) {
    const std::string message = message_of(text);
    EXPECT_TRUE(message.starts_with("f.json: not valid JSON: ")) << text << ": " << message;
    EXPECT_EQ(message.find("json.exception"), std::string::npos) << message;
  }
}

TEST(JsonParse, CommentsAreReadWhereTheyMayStand) {
  EXPECT_NE(message_of("[1, /* a */ 2] // b"), "");
  EXPECT_EQ(message_of("[1, /* \"[[ */ 2] // b", JsonComments::kIgnored), "");
}

TEST(JsonParse, PassesOverAByteOrderMark) { EXPECT_EQ(parse_json("\xEF\xBB\xBF[1]", "f"), nlohmann::json({1})); }

}  // namespace
}  // namespace wan
