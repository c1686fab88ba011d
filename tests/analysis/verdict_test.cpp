// The verdict's error rates on simulated runs, the promise behind every FASTER. docs/method.md shows the same table.
#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <random>

#include "analysis/compare.h"

namespace wan {
namespace {

struct Rates {
  double faster = 0, slower = 0, same = 0, inconclusive = 0;
};

using Noise = std::function<double(std::mt19937_64&)>;  // relative deviation of one run

// Box-Muller on our own uniforms: std::normal_distribution differs between libraries, and these rates are asserted.
double uniform(std::mt19937_64& random) { return (static_cast<double>(random() >> 11) + 0.5) * 0x1p-53; }
double normal(std::mt19937_64& random) {
  return std::sqrt(-2 * std::log(uniform(random))) * std::cos(2 * M_PI * uniform(random));
}

Noise gaussian(double sigma) {
  return [sigma](std::mt19937_64& random) { return sigma * normal(random); };
}

/// One run in ten is 10 % slower on top of gaussian noise: a neighbour, a page-cache miss.
Noise contaminated(double sigma) {
  return [sigma](std::mt19937_64& random) { return sigma * normal(random) + (uniform(random) < 0.1 ? 0.10 : 0.0); };
}

/// Long right tail, as start-up times have.
Noise skewed(double sigma) {
  return [sigma](std::mt19937_64& random) { return sigma * (std::exp(normal(random)) - 1); };
}

/// Two clock states 3 % apart.
Noise two_levels(double sigma) {
  return [sigma](std::mt19937_64& random) { return sigma * normal(random) + (uniform(random) < 0.5 ? 0.03 : 0.0); };
}

Rates simulate(int runs, double true_ratio, double margin, const Noise& noise, int trials = 400) {
  std::mt19937_64 random(20261124);
  CompareOptions options;
  options.margin = margin;
  Rates out;
  for (int t = 0; t < trials; ++t) {
    std::vector<double> a, b;
    for (int i = 0; i < runs; ++i) a.push_back(100 * (1 + noise(random)));
    for (int i = 0; i < runs; ++i) b.push_back(100 * true_ratio * (1 + noise(random)));
    switch (compare_values(a, b, options).verdict) {
      case Verdict::kFaster: out.faster += 1.0 / trials; break;
      case Verdict::kSlower: out.slower += 1.0 / trials; break;
      case Verdict::kSame: out.same += 1.0 / trials; break;
      case Verdict::kInconclusive: out.inconclusive += 1.0 / trials; break;
    }
  }
  return out;
}

void print(const std::string& what, const Rates& r) {
  std::printf("| %s | %.1f %% | %.1f %% | %.1f %% | %.1f %% |\n", what.c_str(), 100 * r.faster, 100 * r.slower,
              100 * r.same, 100 * r.inconclusive);
}

struct Named {
  const char* name;
  Noise noise;
};

TEST(Verdict, SeldomSeesADifferenceThatIsNotThere) {
  // With no margin at all, the hardest case: every interval that misses 1 is a false verdict. A margin only takes some
  // of these away.
  const Named noises[] = {{"normal 1 %", gaussian(0.01)},
                          {"normal 5 %", gaussian(0.05)},
                          {"1 in 10 runs +10 %", contaminated(0.01)},
                          {"skewed 2 %", skewed(0.02)},
                          {"two levels 3 %", two_levels(0.003)}};
  for (const auto& [name, noise] : noises) {
    for (const int runs : {4, 5, 10}) {
      const Rates r = simulate(runs, 1, 0, noise);
      print(std::string(name) + ", " + std::to_string(runs) + " runs, margin 0", r);
      EXPECT_LE(r.faster + r.slower, 0.05) << name << ", " << runs << " runs";
    }
  }
}

TEST(Verdict, FindsFivePercentInFiveRuns) {
  for (const double ratio : {1 / 1.05, 1.05}) {
    const Rates r = simulate(5, ratio, 0.01, gaussian(0.01));
    print("5 runs, true ratio " + std::to_string(ratio), r);
    EXPECT_GE(ratio < 1 ? r.faster : r.slower, 0.80);
    EXPECT_LE(ratio < 1 ? r.slower : r.faster, 0.001);
  }
}

TEST(Verdict, SaysSameInTenRunsWithinTwoPercent) {
  const Rates r = simulate(10, 1, 0.02, gaussian(0.01));
  print("10 runs, no difference, margin 0.02", r);
  EXPECT_GE(r.same, 0.50);
}

TEST(Verdict, PowerCurve) {
  double previous = 0;
  for (const double difference : {0.0, 0.01, 0.02, 0.03, 0.04, 0.05, 0.08}) {
    const Rates r = simulate(5, 1 + difference, 0.01, gaussian(0.01));
    print("5 runs, true +" + std::to_string(difference), r);
    EXPECT_GE(r.slower, previous - 0.02) << "power must not fall as the difference grows";
    previous = r.slower;
  }
  for (const double sigma : {0.005, 0.01, 0.015, 0.02, 0.03}) {
    print("10 runs, no difference, margin 0.02, noise " + std::to_string(sigma),
          simulate(10, 1, 0.02, gaussian(sigma)));
  }
  EXPECT_GT(previous, 0.99);
}

TEST(Verdict, SaysSameWrongly_OnlyNearTheMargin) {
  // A true 3 % difference must not be called SAME within 1 %.
  const Rates r = simulate(10, 1.03, 0.01, gaussian(0.01));
  EXPECT_LE(r.same, 0.001);
  // At the margin's edge the chance of SAME is at most that of missing on one side.
  EXPECT_LE(simulate(10, 1.01, 0.01, gaussian(0.003)).same, 0.05);
}

TEST(Verdict, NeedsFourRunsInEachArm) {
  const std::vector<double> a{100, 101, 99}, b{50, 50.5, 49.5, 50};
  const RatioTest r = compare_values(a, b);
  EXPECT_EQ(r.verdict, Verdict::kInconclusive);
  EXPECT_NE(r.reason.find("4 runs"), std::string::npos);
  EXPECT_TRUE(r.interval);
  EXPECT_DOUBLE_EQ(r.ratio, 0.5);
  EXPECT_EQ(compare_values(std::vector<double>{1}, b).interval, std::nullopt);
}

TEST(Verdict, IdenticalRunsAreTheSame) {
  const std::vector<double> a(5, 10.0);
  EXPECT_EQ(compare_values(a, a).verdict, Verdict::kSame);
}

}  // namespace
}  // namespace wan
