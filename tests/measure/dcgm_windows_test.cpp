// Stamps of a DCGM host engine as windows: where each begins, and what is left out.
#include "measure/dcgm_windows.h"

#include <gtest/gtest.h>

namespace wan::measure {
namespace {

constexpr int64_t kOffsetNs = -4'000'000'123;

DcgmSeries of_sm(const std::vector<int64_t>& stamps_us) {
  DcgmSeries series;
  for (const int64_t at_us : stamps_us) series.sm.push_back({at_us, 0.5});
  return series;
}

TEST(DcgmWindows, AWindowReachesFromStampToStampOnTheMonotonicClock) {
  std::optional<int64_t> counted_to_ns;
  const auto windows = to_windows(of_sm({5'000'000, 5'100'000, 5'200'500}), kOffsetNs, counted_to_ns);
  ASSERT_EQ(windows.size(), 2u);
  EXPECT_EQ(windows[0].interval.begin_ns, 999'999'877);
  EXPECT_EQ(windows[0].interval.end_ns, 1'099'999'877);
  EXPECT_EQ(windows[1].interval.end_ns, 1'200'499'877);
  EXPECT_EQ(counted_to_ns, 1'200'499'877);
}

TEST(DcgmWindows, TheNextBatchBeginsWhereTheLastEnded) {
  std::optional<int64_t> counted_to_ns = 1'000'000'000;
  // Meanwhile the wall clock was set forward by an hour, and the offset is less by it.
  constexpr int64_t kHourNs = 3'600'000'000'000;
  const auto windows = to_windows(of_sm({3'605'100'000}), -4'000'000'000 - kHourNs, counted_to_ns);
  ASSERT_EQ(windows.size(), 1u);
  EXPECT_EQ(windows[0].interval.begin_ns, 1'000'000'000);
  EXPECT_EQ(windows[0].interval.end_ns, 1'100'000'000);
}

TEST(DcgmWindows, WhatRunsBackwardsIsLeftOut) {
  std::optional<int64_t> counted_to_ns;
  const auto windows = to_windows(of_sm({5'000'000, 5'100'000, 5'050'000, 5'100'000, 5'200'000}), 0, counted_to_ns);
  ASSERT_EQ(windows.size(), 2u);
  EXPECT_EQ(windows[1].interval.begin_ns, 5'100'000'000);
  EXPECT_EQ(windows[1].interval.end_ns, 5'200'000'000);
}

TEST(DcgmWindows, FieldsStampedALittleApartAreOneWindow) {
  std::optional<int64_t> counted_to_ns = 0;
  DcgmSeries series = of_sm({100'000, 200'000});
  series.tensor = {{100'900, 0.25}, {219'999, 0.125}};
  series.dram = {{130'000, 0.75}};
  const auto windows = to_windows(series, 0, counted_to_ns);
  ASSERT_EQ(windows.size(), 2u);
  EXPECT_EQ(windows[0].tensor, 0.25);
  EXPECT_EQ(windows[1].tensor, 0.125);
  EXPECT_FALSE(windows[0].dram);
  EXPECT_FALSE(windows[1].dram);
}

}  // namespace
}  // namespace wan::measure
