#include "suite/log_stages.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"

namespace wan::suite {
namespace {

TEST(LogStages, ALineEndsTheStageBeforeIt) {
  const std::vector<LogPattern> patterns = {
      {"Creating", "Model_Initialization"}, {"(\\d+)/\\d+ \\[", "Step_$1_Inference"}, {"Saving", "Output_Encoding"}};
  LogStages log(patterns);
  EXPECT_EQ(log.line("hello", 5), nullptr);
  EXPECT_NE(log.line("Creating WanTI2V pipeline.", 10), nullptr);
  EXPECT_NE(log.line(" 10%|# | 1/10 [00:06<", 20), nullptr);
  EXPECT_EQ(log.line(" 10%|# | 1/10 [00:07<", 25), nullptr);  // the bar redrawn
  EXPECT_NE(log.line(" 20%|# | 2/10 [00:12<", 30), nullptr);
  EXPECT_NE(log.line("Saving generated video", 40), nullptr);
  const auto spans = log.spans(50);
  ASSERT_EQ(spans.size(), 4u);
  EXPECT_EQ(spans[0].begin_ns, 10);
  EXPECT_EQ(spans[0].end_ns, 20);
  EXPECT_EQ(spans[1].stage.name, "Step_1_Inference");
  EXPECT_EQ(spans[1].end_ns, 30);
  EXPECT_EQ(spans[3].end_ns, 50);
}

using ::testing::HasSubstr;

std::string refusal_of(const std::vector<LogPattern>& patterns) {
  try {
    const LogStages stages(patterns);
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::kInput);
    EXPECT_LT(std::string(error.what()).size(), 400u);
    return error.what();
  }
  return "accepted";
}

std::string refusal_of(const std::string& regex, const std::string& stage = "x") {
  return refusal_of(std::vector<LogPattern>{LogPattern{regex, stage}});
}

std::string refusal(const std::string& text) {
  try {
    parse_patterns(text, "p.json");
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::kInput);
    EXPECT_THAT(error.what(), HasSubstr("p.json"));
    EXPECT_EQ(std::string(error.what()).find("json.exception"), std::string::npos) << error.what();
    return error.what();
  }
  return "accepted";
}

std::string repeated(const std::string& text, int times) {
  std::string all;
  for (int i = 0; i < times; ++i) all += text;
  return all;
}

TEST(LogStages, NamesAStageByTheGroupsOfItsPattern) {
  LogStages log(std::vector<LogPattern>{{"(a)(b)?(c)", "$3$1[$2]$&$$x$"}});
  EXPECT_NE(log.line("zacz", 1), nullptr);
  EXPECT_EQ(log.spans(2)[0].stage.name, "ca[]ac$$x$");
}

// Each of them takes a backtracking matcher a time beyond any run.
TEST(LogStages, NoPatternTakesMoreTimeThanItsLineIsLong) {
  for (const char* pattern : {"(a+)+$", "(a|aa)+$", "(a*)*b$", "(.*a){12}$", "^(([a-z])+.)+[A-Z]([a-z])+$"}) {
    LogStages log(std::vector<LogPattern>{LogPattern{pattern, "x"}});
    EXPECT_EQ(log.line(std::string(4000, 'a') + "!", 1), nullptr) << pattern;
  }
}

TEST(LogStages, WhatIsBeyondTheLengthOfALineIsNotRead) {
  LogStages log(std::vector<LogPattern>{{"step", "x"}});
  EXPECT_EQ(log.line(std::string(4093, ' ') + "step", 1), nullptr);
  EXPECT_NE(log.line(std::string(4092, ' ') + "step", 2), nullptr);
}

TEST(LogStages, ALineThatIsNotUtf8IsALine) {
  LogStages log(std::vector<LogPattern>{{"step (\\d+)", "s$1"}});
  EXPECT_EQ(log.line("\xff\xfe", 1), nullptr);
  EXPECT_NE(log.line("\xff step 5", 2), nullptr);
  EXPECT_EQ(log.spans(3)[0].stage.name, "s5");
}

TEST(LogStages, RefusesWhatHasNoBoundByItsName) {
  EXPECT_THAT(refusal_of("a(?=b)", "x"), HasSubstr("look-ahead"));
  EXPECT_THAT(refusal_of("a(?!b)", "x"), HasSubstr("look-ahead"));
  EXPECT_THAT(refusal_of("(?<=b)a", "x"), HasSubstr("look-behind"));
  EXPECT_THAT(refusal_of("(?<!b)a", "x"), HasSubstr("look-behind"));
  EXPECT_THAT(refusal_of("(a)\\1", "x"), HasSubstr("back reference"));
  EXPECT_EQ(refusal_of("\\(?=a", "x"), "accepted");  // an escaped parenthesis
  EXPECT_EQ(refusal_of("[(?=]a", "x"), "accepted");  // a set
}

TEST(LogStages, RefusesTooManyAndTooLarge) {
  EXPECT_THAT(refusal_of(std::string(1001, 'a'), "x"), HasSubstr("1001 bytes, at most 1000"));
  EXPECT_EQ(refusal_of(std::string(1000, 'a'), "x"), "accepted");
  EXPECT_THAT(refusal_of(std::string(20000, '(') + std::string(20000, ')'), "x"), HasSubstr("at most"));
  EXPECT_THAT(refusal_of(repeated("(a)", 21), "x"), HasSubstr("21 groups"));
  EXPECT_EQ(refusal_of(repeated("(a)", 20), "$20"), "accepted");
  EXPECT_THAT(refusal_of(std::string(490, '(') + std::string(490, ')'), "x"), HasSubstr("groups"));
  EXPECT_THAT(refusal_of("((a{100}){100}){100}", "x"), HasSubstr("not a regular expression"));
  EXPECT_THAT(refusal_of("a", std::string(201, 's')), HasSubstr("name"));
  EXPECT_THAT(refusal_of("(a)", "$2"), HasSubstr("names group 2, the pattern has 1"));
  EXPECT_THAT(refusal_of(std::vector<LogPattern>(201, LogPattern{"a", "x"})), HasSubstr("201"));
}

// A program that prints a line a millisecond would fill the record.
TEST(LogStages, MoreThanAThousandStagesAreNone) {
  LogStages log(std::vector<LogPattern>{{"line (\\d+)", "s$1"}});
  for (int i = 0; i < 1000; ++i) EXPECT_NE(log.line("line " + std::to_string(i), i), nullptr);
  EXPECT_EQ(log.spans(1000).size(), 1000u);
  EXPECT_EQ(log.left_out(), "");
  for (int i = 1000; i < 5000; ++i) EXPECT_EQ(log.line("line " + std::to_string(i), i), nullptr);
  EXPECT_TRUE(log.spans(5000).empty());
  EXPECT_THAT(log.left_out(), HasSubstr("5000 stages"));
}

TEST(LogStages, AStageIsNamedByTheBeginningOfALongMatch) {
  LogStages log(std::vector<LogPattern>{{"a+", "$&$&"}});
  ASSERT_NE(log.line(std::string(4000, 'a'), 1), nullptr);
  EXPECT_EQ(log.spans(2)[0].stage.name, std::string(200, 'a'));
}

TEST(LogStages, RefusesAFileOfOtherTypesByName) {
  EXPECT_THAT(refusal(R"([{"match": 5, "stage": "x"}])"), HasSubstr("pattern 1: field 'match' must be text, found 5"));
  EXPECT_THAT(refusal(R"([{"match": "a", "stage": "x"}, {"match": "a"}])"), HasSubstr("pattern 2: field 'stage'"));
  EXPECT_THAT(refusal(R"([7])"), HasSubstr("pattern 1"));
  EXPECT_THAT(refusal(R"({"match": "a", "stage": "x"})"), HasSubstr("list"));
  EXPECT_THAT(refusal(R"([{"match": "a", "stage": "x", "flags": "i"}])"), HasSubstr("flags"));
  EXPECT_THAT(refusal("["), HasSubstr("JSON"));
}

TEST(LogStages, RefusesWhatIsNoPattern) {
  EXPECT_THROW(LogStages(std::vector<LogPattern>{{"(", "x"}}), Error);
  EXPECT_THROW(parse_patterns(R"([{"match": "a"}])", "p.json"), Error);
  EXPECT_THROW(parse_patterns("{", "p.json"), Error);
  EXPECT_EQ(parse_patterns(R"([{"match": "a", "stage": "b"}])", "p.json")[0].stage, "b");
}

}  // namespace
}  // namespace wan::suite
