// Statistics against answers worked out by hand or taken from published tables.
#include "analysis/statistics.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>
#include <vector>

#include "analysis/estimate.h"

namespace wan {
namespace {

using Values = std::vector<double>;

TEST(Statistics, MedianAndQuantilesInterpolate) {
  EXPECT_EQ(median(Values{3, 1, 2}), 2);
  EXPECT_EQ(median(Values{4, 1, 3, 2}), 2.5);
  EXPECT_EQ(median(Values{7}), 7);
  EXPECT_DOUBLE_EQ(quantile(Values{10, 20, 30, 40, 50}, 0.1), 14);
  EXPECT_DOUBLE_EQ(quantile(Values{10, 20}, 1), 20);
  EXPECT_DOUBLE_EQ(scaled_mad(Values{1, 2, 3, 4, 100}), 1.4826);
}

TEST(Statistics, TheilSenIgnoresAnOutlier) {
  EXPECT_DOUBLE_EQ(theil_sen_slope(Values{1, 3, 5, 7, 9}), 2);
  EXPECT_NEAR(theil_sen_slope(Values{1, 3, 5, 700, 9, 11, 13}), 2, 1e-12);
  EXPECT_EQ(theil_sen_slope(Values{1}), 0);
}

TEST(Statistics, ChangePointFindsAStepAndNotNoise) {
  Values series;
  std::mt19937_64 random(1);
  std::normal_distribution<double> noise(0, 0.02);
  for (int i = 0; i < 50; ++i) series.push_back((i < 14 ? 6.9 : 15.0) + noise(random));
  const auto found = change_point(series, 0.02);
  ASSERT_TRUE(found);
  EXPECT_EQ(found->index, 14);
  EXPECT_NEAR(found->relative_step, 15.0 / 6.9 - 1, 0.01);
  EXPECT_FALSE(change_point(Values(series.begin() + 14, series.end()), 0.02));
  EXPECT_FALSE(change_point(Values{1, 2}, 0.02));
}

TEST(Statistics, StudentTMatchesTables) {
  EXPECT_NEAR(student_t_quantile(0.975, 1), 12.7062047362, 1e-8);
  EXPECT_NEAR(student_t_quantile(0.975, 8), 2.3060041352, 1e-9);
  EXPECT_NEAR(student_t_quantile(0.95, 30), 1.6972608865, 1e-9);
  EXPECT_NEAR(student_t_quantile(0.025, 8), -2.3060041352, 1e-9);
  EXPECT_NEAR(student_t_cdf(0, 5), 0.5, 1e-15);
  EXPECT_NEAR(student_t_cdf(2.3060041352, 8), 0.975, 1e-10);
  EXPECT_NEAR(student_t_quantile(0.975, 1e6), 1.959966, 1e-5);  // nearly normal
}

TEST(Statistics, WelchMatchesAWorkedExample) {
  // logs are exactly 0,1,2 and 3,4,5,6: means 1 and 4.5, variances of the means 1/3 and 5/12.
  const Values a{1, std::exp(1), std::exp(2)};
  const Values b{std::exp(3), std::exp(4), std::exp(5), std::exp(6)};
  const WelchRatio got = welch_log_ratio(a, b, 0.95);
  EXPECT_NEAR(got.ratio, std::exp(3.5), 1e-9);
  const double variance = 1.0 / 3 + 5.0 / 12, df = variance * variance / (1.0 / 9 / 2 + 25.0 / 144 / 3);
  const double half = student_t_quantile(0.975, df) * std::sqrt(variance);
  EXPECT_NEAR(std::log(got.interval.low), 3.5 - half, 1e-9);
  EXPECT_NEAR(std::log(got.interval.high), 3.5 + half, 1e-9);
  EXPECT_NEAR(got.p_value, 2 * (1 - student_t_cdf(3.5 / std::sqrt(variance), df)), 1e-12);
  EXPECT_EQ(welch_log_ratio(Values{2, 2}, Values{2, 2}, 0.95).p_value, 1);
}

TEST(Statistics, MannWhitneyIsExact) {
  EXPECT_NEAR(mann_whitney(Values{1, 2, 3, 4, 5}, Values{6, 7, 8, 9, 10}), 2.0 / 252, 1e-15);
  EXPECT_NEAR(mann_whitney(Values{1, 4}, Values{2, 3}), 1, 1e-15);
  // Sum of ranks 1+2+4 = 7 of {1,..,6} in 3: sums <= 7 are {1,2,3},{1,2,4}: 2 of 20, and as many on the other side.
  EXPECT_NEAR(mann_whitney(Values{1, 2, 4}, Values{3, 5, 6}), 4.0 / 20, 1e-15);
  EXPECT_EQ(mann_whitney(Values{5, 5, 5}, Values{5, 5, 5}), 1);  // all tied
  const Values low(15, 1), high(15, 2);
  EXPECT_NEAR(mann_whitney(low, high), 2.0 / 155117520, 1e-20) << "two of (30 choose 15)";
}

TEST(Statistics, ManyRanksTakeTheNormalApproximation) {
  // Beside the exact test, on either side of the limit, at distances where a verdict turns.
  std::mt19937_64 random(3);
  std::normal_distribution<double> noise(0, 1);
  for (const double shift : {0.0, 0.4, 0.6, 0.9}) {
    Values a, b;
    for (size_t i = 0; i < kMostExactRanks / 2; ++i) {
      a.push_back(std::round(8 * noise(random)) / 8);  // with ties
      b.push_back(std::round(8 * (noise(random) + shift)) / 8);
    }
    const double exact = mann_whitney(a, b);
    // Two equal values far off either end of both arms change the rank sums' distribution little.
    Values longer_a = a, longer_b = b;
    longer_a.insert(longer_a.end(), {-100, 100});
    longer_b.insert(longer_b.end(), {-100, 100});
    EXPECT_NEAR(mann_whitney(longer_a, longer_b), exact, 0.02 + 0.3 * exact) << shift;
  }
  EXPECT_EQ(mann_whitney(Values(100, 5), Values(100, 5)), 1);
  Values low, high;
  for (int i = 0; i < 2000; ++i) low.push_back(i), high.push_back(i + 5000);
  EXPECT_LT(mann_whitney(low, high), 1e-100) << "and it ends at once, without an overflow";
  EXPECT_GE(mann_whitney(low, low), 0.99);
}

TEST(Statistics, HolmStepsDownAndStaysMonotone) {
  const std::vector<double> got = holm(Values{0.01, 0.04, 0.03, 0.005});
  EXPECT_NEAR(got[0], 0.03, 1e-15);
  EXPECT_NEAR(got[1], 0.06, 1e-15);
  EXPECT_NEAR(got[2], 0.06, 1e-15);
  EXPECT_NEAR(got[3], 0.02, 1e-15);
  EXPECT_EQ(holm(Values{0.9, 0.8})[0], 1);
}

TEST(Statistics, OrderIntervalCoversAsStated) {
  EXPECT_DOUBLE_EQ(order_statistic_interval(Values{1, 2, 3, 4, 5}).coverage, 0.9375);
  EXPECT_DOUBLE_EQ(order_statistic_interval(Values{1, 2, 3, 4, 5, 6}).coverage, 0.96875);
  EXPECT_EQ(order_statistic_interval(Values{3, 1, 2}).interval, (Interval{1, 3}));
}

TEST(Estimate, GivesNoIntervalForASingleRunAndAFixedOneOtherwise) {
  const Estimate one = estimate(Values{5});
  EXPECT_TRUE(one.single_run);
  EXPECT_FALSE(one.interval);
  const Values five{10.0, 10.1, 9.9, 10.05, 9.95};
  const Estimate a = estimate(five), b = estimate(five);
  EXPECT_EQ(a.median, 10.0);
  EXPECT_EQ(*a.interval, *b.interval);
  EXPECT_TRUE(a.interval->contains(10.0));
  EXPECT_GE(a.interval->low, 9.9);
  EXPECT_LE(a.interval->high, 10.1);
  EXPECT_TRUE(a.extremes);
}

}  // namespace
}  // namespace wan
