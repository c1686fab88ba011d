// Windows given to stages by overlap: synthetic readings with answers worked out by hand.
#include "measure/windows.h"

#include <array>

#include <gtest/gtest.h>

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
  EXPECT_EQ(mean_over({}, parts, Resolution::kStage).reason, "no_samples");
  const auto windows = regular({1, 1});
  const std::array later{ms(500, 900)};
  EXPECT_EQ(mean_over(windows, later, Resolution::kStage).reason, "no_samples");
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
