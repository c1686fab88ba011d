// Windows given to stages by overlap: synthetic readings with answers worked out by hand.
#include "measure/windows.h"

#include <array>

#include <gtest/gtest.h>

#include <random>

namespace wan::measure {
namespace {

constexpr int64_t kMs = 1'000'000;

std::vector<Window> regular(std::vector<double> values, int64_t period_ms = 100) {
  std::vector<Window> windows;
  for (size_t i = 0; i < values.size(); ++i) {
    const int64_t begin = static_cast<int64_t>(i) * period_ms * kMs;
    windows.push_back({{begin, begin + period_ms * kMs}, values[i]});
  }
  return windows;
}

Interval ms(int64_t begin, int64_t end) { return {begin * kMs, end * kMs}; }

TEST(Windows, MeanIsWeightedByOverlapNotByTimeStamp) {
  const auto windows = regular({0, 1, 1, 0, 0});
  // 50 ms of 0, 200 ms of 1, 50 ms of 0.
  const std::array parts{ms(50, 350)};
  const Share share = mean_over(windows, parts, Resolution::kStage);
  ASSERT_TRUE(share.value);
  EXPECT_DOUBLE_EQ(*share.value, 200.0 / 300);
  EXPECT_DOUBLE_EQ(share.windows, 3);
  EXPECT_DOUBLE_EQ(share.coverage, 1);
}

TEST(Windows, IntegralsOfTilingStagesAddUpToTheWhole) {
  const auto windows = regular({0.3, 0.9, 0.1, 0.7, 0.5, 0.2, 0.8, 0.4, 0.6, 1.0});
  const std::array whole{ms(0, 1000)};
  double sum = 0;
  for (const Interval& stage : {ms(0, 237), ms(237, 555), ms(555, 781), ms(781, 1000)}) {
    const std::array part{stage};
    sum += *integral_over(windows, part, Resolution::kStage).value;
  }
  EXPECT_NEAR(sum, *integral_over(windows, whole, Resolution::kAny).value, 1e-12);
  EXPECT_NEAR(sum, 0.55, 1e-12);  // 0.1 s times the sum of the values
}

TEST(Windows, AStageShorterThanTwoWindowsHasNoValueButAReason) {
  const auto windows = regular({1, 1, 1, 1});
  const std::array parts{ms(100, 299)};
  const Share share = mean_over(windows, parts, Resolution::kStage);
  EXPECT_FALSE(share.value);
  EXPECT_EQ(share.reason, "below_resolution");
  const std::array long_enough{ms(100, 300)};
  EXPECT_TRUE(mean_over(windows, long_enough, Resolution::kStage).value);
}

TEST(Windows, EqualShortStagesArePooledFromTenWindowsOn) {
  std::vector<double> values(40, 0.25);
  const auto windows = regular(values);
  std::vector<Interval> parts;
  for (int i = 0; i < 19; ++i) parts.push_back(ms(200 * i, 200 * i + 50));  // 950 ms in all
  EXPECT_EQ(mean_over(windows, parts, Resolution::kPooled).reason, "below_resolution");
  parts.push_back(ms(3800, 3850));
  const Share share = mean_over(windows, parts, Resolution::kPooled);
  ASSERT_TRUE(share.value);
  EXPECT_DOUBLE_EQ(*share.value, 0.25);
}

TEST(Windows, TimeWithoutReadingsLowersTheCoverageNotTheMean) {
  const auto windows = regular({0.5, 0.5});
  const std::array parts{ms(0, 400)};
  const Share share = mean_over(windows, parts, Resolution::kStage);
  EXPECT_DOUBLE_EQ(*share.value, 0.5);
  EXPECT_DOUBLE_EQ(share.coverage, 0.5);
  EXPECT_DOUBLE_EQ(*integral_over(windows, parts, Resolution::kStage).value, 0.2);
}

TEST(Windows, WithoutAnyReadingTheReasonIsNoSamples) {
  const std::array parts{ms(0, 400)};
  EXPECT_EQ(mean_over(std::vector<Window>{}, parts, Resolution::kStage).reason, "no_samples");
  const auto windows = regular({1, 1});
  const std::array later{ms(500, 900)};
  EXPECT_EQ(mean_over(windows, later, Resolution::kStage).reason, "no_samples");
}

/// By looking at every window, as the definition says.
Share mean_by_all(const std::vector<Window>& windows, const std::vector<Interval>& parts) {
  Share share;
  double weighted = 0, covered = 0, wanted = 0;
  for (const Interval& part : parts) {
    wanted += double(part.length_ns());
    for (const Window& window : windows) {
      const double shared = double(intersection(window.interval, part).length_ns());
      weighted += window.value * shared;
      covered += shared;
    }
  }
  share.coverage = wanted > 0 ? covered / wanted : 0;
  if (covered > 0) share.value = weighted / covered;
  return share;
}

TEST(Windows, OnlyTheWindowsThatMeetAPartAreNeeded) {
  std::mt19937 random(3);
  for (int round = 0; round < 300; ++round) {
    std::vector<Window> windows;
    int64_t at = int64_t(random() % 20);
    for (int i = 0; i < int(random() % 12); ++i) {
      const int64_t begin = at + int64_t(random() % 3), end = begin + int64_t(random() % 5);
      windows.push_back({{begin, end}, double(random() % 100)});
      at = end;
    }
    std::vector<Interval> parts;
    for (int i = 0; i < int(random() % 5); ++i) {
      const int64_t begin = int64_t(random() % 60) - 5;
      parts.push_back({begin, begin + int64_t(random() % 30) - 3});  // some end before they begin
    }
    const Share expected = mean_by_all(windows, parts), found = mean_over(windows, parts, Resolution::kAny);
    EXPECT_DOUBLE_EQ(found.coverage, expected.coverage);
    EXPECT_EQ(found.value.has_value(), expected.value.has_value());
    if (found.value) {
      EXPECT_DOUBLE_EQ(*found.value, *expected.value);
    }
    const WindowSeries series{windows, typical_length_ns(windows)};
    EXPECT_EQ(mean_over(series, parts, Resolution::kPooled).value,
              mean_over(windows, parts, Resolution::kPooled).value);
  }
}

TEST(Windows, PeakIgnoresAWindowThatOnlyBrushesTheStage) {
  const std::vector<Window> windows = {{ms(0, 100), 9}, {ms(100, 200), 5}, {ms(200, 300), 7}};
  EXPECT_EQ(peak_over(windows, ms(99, 199)), 5);   // 1 ms of the first window is no tenth of it
  EXPECT_EQ(peak_over(windows, ms(50, 210)), 9);   // half of the first, a tenth of the last
  EXPECT_EQ(peak_over(windows, ms(120, 125)), 5);  // a short stage inside one window
  EXPECT_FALSE(peak_over(windows, ms(400, 500)));
}

TEST(Windows, CountersGrowAlongStraightLines) {
  const std::vector<CounterReading> readings = {{0, 0}, {100 * kMs, 50}, {200 * kMs, 250}};
  EXPECT_DOUBLE_EQ(*growth_over(readings, ms(50, 150)), 25 + 100);
  EXPECT_DOUBLE_EQ(*growth_over(readings, ms(0, 200)), 250);
  EXPECT_DOUBLE_EQ(*growth_over(readings, ms(100, 100)), 0);
  EXPECT_FALSE(growth_over(readings, ms(150, 201)));
  const auto windows = rates(readings);
  ASSERT_EQ(windows.size(), 2u);
  EXPECT_DOUBLE_EQ(windows[1].value, 2000);
}

}  // namespace
}  // namespace wan::measure
