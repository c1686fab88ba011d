// load.json: what is written is read back, and what is none is refused by the field.
#include "results/load.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fmt/format.h>

#include "base/error.h"

namespace wan {
namespace {

using testing::AllOf;
using testing::HasSubstr;

LoadTest example() {
  LoadTest test;
  test.url = "http://127.0.0.1:8080";
  test.adapter = "wanbench";
  test.settings = {{"size", "832x480"}};
  test.objective_multiple = 2.5;
  test.idle_power = {{0.5, 71}, {1, 72.5}};
  test.prompts = 248;
  test.prompts_sha256 = std::string(64, 'a');
  test.seed = 42;
  test.has_one_seed = true;
  test.levels.resize(2);
  test.levels[1].mode = LoadMode::kClosed;
  test.levels[1].concurrency = 249;
  test.levels[1].scenario = LoadScenario::kOffline;
  LoadLevel& level = test.levels[0];
  level.rate = 0.125;
  level.power = {{0, 300}};
  level.requests.resize(2);
  level.requests[0] = {.intended_s = 1.5,
                       .sent_s = 1.5,
                       .accepted_s = 1.625,
                       .started_s = 2,
                       .ended_s = 13.25,
                       .end = LoadEnd::kCompleted,
                       .detail = "",
                       .start_known = StartKnown::kEvents,
                       .warm_up = true,
                       .prompt = 3,
                       .queue_position = 1,
                       .inference_s = 11.25,
                       .expected_s = 11.5,
                       .energy_j = 7000,
                       .price = 0.0125,
                       .stages = {{"VAE_Decode", 1.5}}};
  level.requests[1].end = LoadEnd::kRefused;
  level.requests[1].detail = "429 queue_full";
  level.requests[1].ended_s = 0.25;
  return test;
}

std::string refusal(const std::string& text) {
  try {
    load_test_from_json(text, "load.json");
  } catch (const Error& problem) {
    EXPECT_EQ(problem.kind(), ErrorKind::kInput);
    return problem.what();
  }
  return "";
}

std::string replaced(std::string text, const std::string& from, const std::string& to) {
  const size_t at = text.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  return at == std::string::npos ? text : text.replace(at, from.size(), to);
}

TEST(LoadFile, IsReadBackAsItWasWritten) {
  EXPECT_TRUE(load_test_from_json(to_json(example()), "load.json") == example());
}

TEST(LoadFile, OneOfBeforeScenariosIsRead) {
  std::string old = to_json(example());
  old = replaced(old, "\"minor\": 1", "\"minor\": 0");
  old = replaced(old, fmt::format(" \"prompts_sha256\": \"{}\",\n", std::string(64, 'a')), "");
  old = replaced(old, " \"has_one_seed\": true,\n", "");
  old = replaced(old, "   \"scenario\": null,\n", "");
  old = replaced(old, "   \"scenario\": \"Offline\",\n", "");
  const LoadTest read = load_test_from_json(old, "load.json");
  EXPECT_EQ(read.prompts_sha256, "");
  EXPECT_FALSE(read.has_one_seed);
  EXPECT_FALSE(read.levels[1].scenario.has_value());
  EXPECT_EQ(read.levels[1].concurrency, 249);
}

TEST(LoadFile, WhatIsNoneIsRefusedByItsField) {
  const std::string good = to_json(example());
  EXPECT_EQ(refusal(good), "");
  EXPECT_THAT(refusal(replaced(good, "wanbench.load", "wanbench.run")),
              AllOf(HasSubstr("load.json"), HasSubstr("wanbench.run")));
  EXPECT_THAT(refusal(replaced(good, "\"major\": 1", "\"major\": 2")), HasSubstr("expected wanbench.load 1"));
  EXPECT_THAT(refusal(replaced(good, "13.25", "-1")), AllOf(HasSubstr("level 1: request 1"), HasSubstr("ended_s")));
  EXPECT_THAT(refusal(replaced(good, "13.25", "1.75")), AllOf(HasSubstr("request 1"), HasSubstr("in order of time")));
  EXPECT_THAT(refusal(replaced(good, "13.25", "null")), HasSubstr("completed has ended_s"));
  EXPECT_THAT(refusal(replaced(good, "429 queue_full", "\\u0000")), "");
  EXPECT_THAT(refusal(replaced(good, "\"refused\"", "\"eaten\"")),
              AllOf(HasSubstr("request 2"), HasSubstr("timed_out")));
  EXPECT_THAT(refusal(replaced(good, "\"Offline\"", "\"Server\"")),
              AllOf(HasSubstr("level 2"), HasSubstr("scenario"), HasSubstr("SingleStream")));
  EXPECT_THAT(refusal(replaced(good, "\"rate\": 0.125", "\"rate\": 1e99")), HasSubstr("rate"));
  EXPECT_THAT(refusal(replaced(good, "0.5,\n   71", "5,\n   71")), HasSubstr("idle_power 2"));
  EXPECT_THAT(refusal(replaced(good, "\"levels\"", "\"plains\"")), HasSubstr("plains"));
  EXPECT_THAT(refusal("{"), HasSubstr("load.json"));
}

}  // namespace
}  // namespace wan
