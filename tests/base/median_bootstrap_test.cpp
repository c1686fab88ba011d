// The bootstrap of a median against all resamples gone through one by one, and against binomial tables.
#include "base/median_bootstrap.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>

#include "base/order_statistics.h"

namespace wan {
namespace {

using Values = std::vector<double>;

/// The medians of all n^n resamples, in order.
Values all_medians(const Values& values) {
  const size_t n = values.size();
  Values medians, resample(n);
  for (size_t code = 0; code < static_cast<size_t>(std::pow(n, n)); ++code) {
    for (size_t i = 0, rest = code; i < n; ++i, rest /= n) resample[i] = values[rest % n];
    medians.push_back(median(resample));
  }
  std::sort(medians.begin(), medians.end());
  return medians;
}

Interval middle_of(const Values& sorted, double confidence) {
  const auto tail = static_cast<size_t>(std::ceil(0.5 * (1 - confidence) * double(sorted.size()))) - 1;
  return {sorted[tail], sorted[sorted.size() - 1 - tail]};
}

const std::vector<Values> kExamples = {
    {9, 10}, {9.7, 10, 10.9}, {9, 10, 10.5, 13}, {9, 9.5, 10, 10.1, 14}, {14, 9, 9.5, 10, 10.1, 11}, {5, 5, 5, 7}};

TEST(MedianBootstrap, HasEveryMedianAsOftenAsAllResamplesHaveIt) {
  for (const Values& values : kExamples) {
    const Values medians = all_medians(values);
    double sum = 0;
    for (const MedianOutcome& outcome : resampled_medians(values)) sum += outcome.probability;
    EXPECT_NEAR(sum, 1, 1e-12);
    for (const double at : medians) {
      double below = 0;
      for (const MedianOutcome& outcome : resampled_medians(values))
        if (outcome.value <= at) below += outcome.probability;
      const auto end = std::upper_bound(medians.begin(), medians.end(), at);
      ASSERT_NEAR(below, double(end - medians.begin()) / double(medians.size()), 1e-12) << values.size();
    }
  }
}

TEST(MedianBootstrap, TheIntervalIsThatOfAllResamples) {
  for (const Values& values : kExamples)
    for (const double confidence : {0.95, 0.8})
      EXPECT_EQ(bootstrap_median(values, confidence), middle_of(all_medians(values), confidence)) << values.size();
}

TEST(MedianBootstrap, FifteenValuesLeaveThreeOutOnEachSide) {
  Values values;
  for (int i = 1; i <= 15; ++i) values.push_back(100 + i);
  // P(Binomial(15, 3/15) >= 8) = 0.4 % and P(Binomial(15, 4/15) >= 8) = 2.5 %: from the 4th to the 12th.
  EXPECT_EQ(bootstrap_median(values, 0.95), (Interval{104, 112}));
  EXPECT_NEAR(relative_half_width(values), (112.0 - 104) / 2 / 108, 1e-12);
}

TEST(MedianBootstrap, EqualValuesHaveNoWidthAndOneHasNoInterval) {
  EXPECT_EQ(bootstrap_median(Values{3, 3, 3}, 0.95), (Interval{3, 3}));
  EXPECT_TRUE(std::isinf(relative_half_width(Values{3})));
  EXPECT_TRUE(std::isinf(relative_half_width(Values{0, 0, 0})));
}

TEST(MedianBootstrap, StaysFiniteForManyValues) {
  Values many;
  for (int i = 0; i < 1200; ++i) many.push_back(i % 2 == 0 ? i : 1200 + i);
  double sum = 0;
  for (const MedianOutcome& outcome : resampled_medians(many)) sum += outcome.probability;
  EXPECT_NEAR(sum, 1, 1e-9);
}

TEST(MedianBootstrap, TheRatioIsThatOfAllPairsOfResamples) {
  for (const Values& a : kExamples) {
    const Values b{21, 19.5, 20};
    Values ratios;
    for (const double of_a : all_medians(a))
      for (const double of_b : all_medians(b)) ratios.push_back(of_b / of_a);
    std::sort(ratios.begin(), ratios.end());
    const Interval want = middle_of(ratios, 0.95), got = bootstrap_median_ratio(a, b, 0.95);
    EXPECT_NEAR(got.low, want.low, 1e-12) << a.size();
    EXPECT_NEAR(got.high, want.high, 1e-12) << a.size();
  }
  EXPECT_EQ(bootstrap_median_ratio(Values{4, 4}, Values{2, 2}, 0.95), (Interval{0.5, 0.5}));
}

TEST(MedianBootstrap, CoversTheMedianAboutAsOftenAsItSays) {
  // 400 samples of 12 normal values: a 95 % interval should hold the true median in 90 to 99 % (the percentile
  // bootstrap of a median is a little narrow; 3 sigma of 400 samples is 3.3 points).
  std::mt19937_64 random(7);
  std::normal_distribution<double> normal(100, 1);
  int covered = 0;
  for (int i = 0; i < 400; ++i) {
    Values sample(12);
    for (double& v : sample) v = normal(random);
    covered += bootstrap_median(sample, 0.95).contains(100) ? 1 : 0;
  }
  EXPECT_GE(covered, 360);
  EXPECT_LE(covered, 396);
}

}  // namespace
}  // namespace wan
