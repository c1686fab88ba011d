#include "suite/run_bounds.h"

#include <limits>

#include <gtest/gtest.h>

namespace wan::suite {
namespace {

constexpr int64_t kSecond = 1'000'000'000;
constexpr measure::Interval kRun{100 * kSecond, 110 * kSecond};

StageSpan span(const std::string& name, int64_t begin_ns, int64_t end_ns) {
  return {stage_from_name(name), "", false, begin_ns, end_ns};
}

TEST(SpansWithin, ThoseOfTheRunStayAsTheyAre) {
  const auto within =
      spans_within({span("a", kRun.begin_ns, kRun.begin_ns + 5), span("b", kRun.end_ns - 5, kRun.end_ns)}, kRun);
  ASSERT_EQ(within.spans.size(), 2u);
  EXPECT_EQ(within.spans[0].begin_ns, kRun.begin_ns);
  EXPECT_EQ(within.spans[1].length_ns(), 5);
  EXPECT_EQ(within.left_out, "");
}

TEST(SpansWithin, ALeafThatReachesALittleBeyondIsCut) {
  const auto within =
      spans_within({span("a", kRun.begin_ns - 7, kRun.end_ns + 7), span("b", kRun.end_ns + 1, kRun.end_ns + 2)}, kRun);
  ASSERT_EQ(within.spans.size(), 2u);
  EXPECT_EQ(within.spans[0].begin_ns, kRun.begin_ns);
  EXPECT_EQ(within.spans[0].end_ns, kRun.end_ns);
  EXPECT_EQ(within.spans[1].length_ns(), 0);
}

TEST(SpansWithin, WhatCannotBeOfTheRunIsLeftOutAndNamed) {
  constexpr int64_t kLeast = std::numeric_limits<int64_t>::min(), kMost = std::numeric_limits<int64_t>::max();
  for (const auto& [begin_ns, end_ns] : {std::pair{kLeast, kMost},
                                         {int64_t{0}, kRun.end_ns},
                                         {kRun.begin_ns, kMost},
                                         {2 * kSecond, 3 * kSecond},
                                         {200 * kSecond, 201 * kSecond},
                                         {kRun.begin_ns + 5, kRun.begin_ns + 4},
                                         {kMost, kLeast}}) {
    const auto within = spans_within({span("good", kRun.begin_ns, kRun.end_ns), span("bad", begin_ns, end_ns)}, kRun);
    ASSERT_EQ(within.spans.size(), 1u) << begin_ns << " " << end_ns;
    EXPECT_EQ(within.spans[0].stage.name, "good");
    EXPECT_EQ(within.left_out,
              "1 spans that the program reported cannot be of its run and are left out, the first is 'bad'");
  }
}

TEST(SpansWithin, ADeviceTimeLongerThanTheRunIsNone) {
  for (const auto member : {&StageSpan::gpu_ns, &StageSpan::exposed_copy_ns, &StageSpan::hidden_copy_ns}) {
    StageSpan good = span("a", kRun.begin_ns, kRun.end_ns), bad = good;
    good.*member = kRun.length_ns();
    bad.*member = 1'000'000 * kSecond;
    EXPECT_EQ(spans_within({good, bad}, kRun).spans.size(), 1u);
    bad.*member = -2 * kSecond;
    EXPECT_EQ(spans_within({good, bad}, kRun).spans.size(), 1u);
  }
}

/// Weights may be loaded for a video before it begins; its place is not changed.
TEST(SpansWithin, HiddenWorkIsNotCut) {
  StageSpan hidden = span("a", kRun.begin_ns - 5, kRun.begin_ns + 5);
  hidden.component = "h2d";
  hidden.hidden = true;
  EXPECT_EQ(spans_within({hidden}, kRun).spans.at(0).length_ns(), 10);
}

}  // namespace
}  // namespace wan::suite
