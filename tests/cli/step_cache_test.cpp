// `wanbench calibrate-cache`, and a video that reuses steps by the curve it wrote.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "base/error.h"
#include "command_line.h"

namespace wan {
namespace {

using test::Ended;
using test::Says;
using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

class StepCaching : public test::CommandLine {
 protected:
  Ended make(const std::string& command, const std::string& more) const {
    return run(command + " --device cpu --checkpoint " + checkpoint() +
               " --prompt x --size 96x64 --num-frames 5 --steps 12 --yes " + more);
  }
};

TEST_F(StepCaching, ACurveIsMadeAndUsed) {
  const Ended made = make("calibrate-cache", "--output curve.json");
  EXPECT_EQ(made.code, 0) << made.output;
  EXPECT_THAT(made.output, AllOf(Says("wrote curve.json"), Says("--step-cache magcache --cache-curve curve.json:"),
                                 Not(HasSubstr("\\x0a"))));
  const Ended again = make("calibrate-cache", "--output curve.json");
  EXPECT_EQ(again.code, static_cast<int>(ExitCode::kUsage)) << "what is there stays";

  const std::string reuse = "--discard --step-cache magcache --cache-curve curve.json --cache-threshold 10 ";
  const Ended shown = make("generate", reuse);
  EXPECT_EQ(shown.code, 0) << shown.output;
  EXPECT_THAT(shown.output, Says("forwards computed; "));
  const Ended ended = make("generate", reuse + "--json --quiet 2>/dev/null");
  const auto forwards = nlohmann::json::parse(ended.output)["videos"][0]["forwards"];
  EXPECT_GT(forwards["reused"], 0);
  EXPECT_EQ(forwards["planned"]["value"], forwards["computed"]);
  EXPECT_EQ(forwards["computed"].get<int>() + forwards["reused"].get<int>(), 24);
}

TEST_F(StepCaching, WhatCannotReuseIsRefusedBeforeWork) {
  const auto refused = [&](const std::string& more, const std::string& words) {
    const Ended ended = run(small_video("--discard " + more));  // of one step
    EXPECT_EQ(ended.code, static_cast<int>(ExitCode::kUsage)) << more << "\n" << ended.output;
    EXPECT_THAT(ended.output, Says(words)) << more;
  };
  refused("--step-cache easycache", "1 steps are too far apart to reuse one another");
  refused("--cache-threshold 0.1", "--cache-threshold is of --step-cache magcache or easycache");
  EXPECT_THAT(make("generate", "--discard --step-cache magcache").output, Says("no curve comes with the program for"));
}

}  // namespace
}  // namespace wan
