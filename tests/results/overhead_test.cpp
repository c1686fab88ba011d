#include "results/overhead.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"

namespace wan {
namespace {

OverheadResult example() {
  OverheadResult result;
  result.created_utc = "2026-11-24T12:00:00Z";
  result.tool = {"0.1", "abc", true, "GNU", "13.0"};
  result.device = "Paper H100";
  result.gpu_uuid = "GPU-paper";
  result.counters = "nvml_gpm";
  result.counters_not_read = "cupti_pm: refused";
  result.work = "ti2v-5B random weights, 640x352, 41 frames";
  result.period_ms = 100;
  result.steps_in_block = 6;
  result.pairs = {{0.4, 0.401}, {0.41, 0.41}};
  result.step_s = 0.405;
  result.percent = 0.125;
  result.low_percent = 0;
  result.high_percent = 0.25;
  result.limit_percent = 0.5;
  result.sampler_core_percent = 1.5;
  return result;
}

/// The published format: keys, their order and how numbers are written stay.
TEST(OverheadJson, IsWrittenAsPublished) {
  EXPECT_EQ(to_json(example()), R"({
 "schema": {
  "name": "wanbench.overhead",
  "major": 1,
  "minor": 1
 },
 "created_utc": "2026-11-24T12:00:00Z",
 "tool": {
  "version": "0.1",
  "git_commit": "abc",
  "git_dirty": true,
  "build": "GNU",
  "cuda": "13.0",
  "program_sha256": ""
 },
 "device": "Paper H100",
 "gpu_uuid": "GPU-paper",
 "counters": "nvml_gpm",
 "counters_not_read": "cupti_pm: refused",
 "work": "ti2v-5B random weights, 640x352, 41 frames",
 "period_ms": 100.0,
 "steps_in_block": 6,
 "pairs": [
  {
   "off_s": 0.4,
   "on_s": 0.401
  },
  {
   "off_s": 0.41,
   "on_s": 0.41
  }
 ],
 "step_s": 0.405,
 "overhead_percent": 0.125,
 "overhead_low_percent": 0.0,
 "overhead_high_percent": 0.25,
 "limit_percent": 0.5,
 "sampler_core_percent": 1.5
}
)");
}

TEST(OverheadJson, GoesThereAndBack) {
  const std::string text = to_json(example());
  const OverheadResult back = overhead_from_json(text, "o.json");
  EXPECT_EQ(to_json(back), text);
  EXPECT_EQ(back.pairs[1].off_s, 0.41);
  EXPECT_EQ(back.gpu_uuid, "GPU-paper");
  EXPECT_EQ(back.high_percent, 0.25);
  EXPECT_TRUE(back.tool.git_dirty);
}

TEST(OverheadJson, RefusesOtherFilesByName) {
  const auto refusal = [](std::string text, const std::string& from, const std::string& to) {
    text.replace(text.find(from), from.size(), to);
    try {
      overhead_from_json(text, "o.json");
    } catch (const Error& problem) {
      return std::string(problem.what());
    }
    return std::string();
  };
  const std::string text = to_json(example());
  EXPECT_THAT(refusal(text, "wanbench.overhead", "wanbench.run"),
              testing::HasSubstr("o.json: key 'schema.name': expected 'wanbench.overhead'"));
  EXPECT_THAT(refusal(text, "\"major\": 1", "\"major\": 2"), testing::HasSubstr("use a newer wanbench"));
  EXPECT_THAT(refusal(text, "step_s", "steps"), testing::HasSubstr("'step_s' is absent; every wanbench.overhead 1"));
  EXPECT_THAT(refusal(text, "{", "["), testing::HasSubstr("o.json"));
}

}  // namespace
}  // namespace wan
