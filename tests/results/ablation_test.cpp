// ablation.json: what is written is read back, and what is none is refused by the field.
#include "results/ablation.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"

namespace wan {
namespace {

using testing::AllOf;
using testing::HasSubstr;

Ablation example() {
  Ablation ablation;
  ablation.case_name = "video";
  ablation.random_weights = true;
  ablation.arms.resize(2);
  ablation.arms[0].name = "default";
  ablation.arms[0].forwards_planned = ablation.arms[0].forwards_in_all = 100;
  ablation.arms[1] = {"magcache", "step-cache", "--step-cache magcache", "no curve", 61.5, 50, 100, {"another shift"}};
  return ablation;
}

std::string refusal(const std::string& text) {
  try {
    ablation_from_json(text, "ablation.json");
  } catch (const Error& problem) {
    EXPECT_EQ(problem.kind(), ErrorKind::kInput);
    return problem.what();
  }
  return "";
}

std::string replaced(std::string text, const std::string& from, const std::string& to) {
  return text.replace(text.find(from), from.size(), to);
}

TEST(AblationFile, IsReadBackAsItWasWritten) {
  EXPECT_EQ(ablation_from_json(to_json(example()), "ablation.json"), example());
}

TEST(AblationFile, WhatIsNoneIsRefusedByItsField) {
  const std::string good = to_json(example());
  EXPECT_EQ(refusal(good), "");
  EXPECT_THAT(refusal(replaced(good, "ablation_plan", "run")),
              AllOf(HasSubstr("ablation.json"), HasSubstr("wanbench.run")));
  EXPECT_THAT(refusal(replaced(good, "\"major\": 1", "\"major\": 2")), HasSubstr("expected wanbench.ablation_plan 1"));
  EXPECT_THAT(refusal(replaced(good, "61.5", "-1")), AllOf(HasSubstr("arm 2"), HasSubstr("expected_s")));
  EXPECT_THAT(refusal(replaced(good, "\"lever\"", "\"leverage\"")), HasSubstr("leverage"));
  EXPECT_THAT(refusal(R"({"schema": {"name": "wanbench.ablation_plan", "major": 1, "minor": 0}, "arms": []})"),
              HasSubstr("a list of 1 to 1000 arms"));
  EXPECT_THAT(refusal("{"), HasSubstr("ablation.json"));
}

}  // namespace
}  // namespace wan
