#include "suite/log_stages.h"

#include <gtest/gtest.h>

#include "base/error.h"

namespace wan::suite {
namespace {

TEST(LogStages, ALineEndsTheStageBeforeIt) {
  const std::vector<LogPattern> patterns = {
      {"Creating", "Model_Initialization"}, {"(\\d+)/\\d+ \\[", "Step_$1_Inference"}, {"Saving", "Output_Encoding"}};
  LogStages log(patterns);
  EXPECT_FALSE(log.line("hello", 5));
  EXPECT_TRUE(log.line("Creating WanTI2V pipeline.", 10));
  EXPECT_TRUE(log.line(" 10%|# | 1/10 [00:06<", 20));
  EXPECT_FALSE(log.line(" 10%|# | 1/10 [00:07<", 25));  // the bar redrawn
  EXPECT_TRUE(log.line(" 20%|# | 2/10 [00:12<", 30));
  EXPECT_TRUE(log.line("Saving generated video", 40));
  const auto spans = log.spans(50);
  ASSERT_EQ(spans.size(), 4u);
  EXPECT_EQ(spans[0].begin_ns, 10);
  EXPECT_EQ(spans[0].end_ns, 20);
  EXPECT_EQ(spans[1].stage.name, "Step_1_Inference");
  EXPECT_EQ(spans[1].end_ns, 30);
  EXPECT_EQ(spans[3].end_ns, 50);
}

TEST(LogStages, RefusesWhatIsNoPattern) {
  EXPECT_THROW(LogStages(std::vector<LogPattern>{{"(", "x"}}), Error);
  EXPECT_THROW(parse_patterns(R"([{"match": "a"}])", "p.json"), Error);
  EXPECT_THROW(parse_patterns("{", "p.json"), Error);
  EXPECT_EQ(parse_patterns(R"([{"match": "a", "stage": "b"}])", "p.json")[0].stage, "b");
}

}  // namespace
}  // namespace wan::suite
