// The driver against servers whose queue is known, under a simulated clock.
#include "load/driver.h"

#include <cmath>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "analysis/load.h"
#include "base/error.h"
#include "simulated_server.h"

namespace wan::load {
namespace {

std::pair<Order, int64_t> any_order(size_t) { return {}; }
bool never() { return false; }

LoadLevel run(Target& server, const LevelPlan& plan) { return Driver(server, any_order, never).run(plan).level; }

LevelPlan open_plan(double rate, uint64_t seed, int64_t warm_up, LoadLength length) {
  LevelPlan plan;
  plan.rate = rate;
  plan.arrivals = poisson_arrivals(rate, seed, warm_up, length);
  plan.warm_up = warm_up;
  plan.most_at_once = 1'000'000;
  plan.request_limit_s = 1e9;
  return plan;
}

LevelPlan closed_plan(int64_t concurrency, LoadLength length) {
  LevelPlan plan;
  plan.mode = LoadMode::kClosed;
  plan.concurrency = concurrency;
  plan.length = length;
  return plan;
}

/// Latencies and waits of four levels of 100 000 requests with seeds of their own.
struct Pooled {
  std::vector<double> latency, wait;
};

Pooled pooled(double rate, const std::function<double()>& service) {
  Pooled out;
  for (uint64_t seed = 1; seed <= 4; ++seed) {
    SimulatedServer server(service);
    const LoadLevel level = run(server, open_plan(rate, seed, 500, {99'000, {}}));
    for (const LoadRequest& request : level.requests) {
      if (request.warm_up) continue;
      out.latency.push_back(*request.ended_s - request.intended_s);
      out.wait.push_back(*request.started_s - request.intended_s);
    }
  }
  std::ranges::sort(out.latency);
  std::ranges::sort(out.wait);
  return out;
}

// The p-quantile of n independent values of density f has the standard deviation sqrt(p (1 - p) / n) / f. Of an
// exponential response that is sqrt(p / (1 - p) / n) / -ln(1 - p) of itself: at p = 0.99 2.16 / sqrt(n). Requests that
// follow one another wait alike: at a load of 0.4 as if there were n / 6 of them (variance of the mean of waiting times
// of M/M/1 over that of independent ones, Daley 1968, 5.8). With 396 000 requests: 0.84 %, so 2 % is 2.4 deviations;
// the other quantiles are surer.
constexpr double kRate = 0.4;

TEST(Driver, PercentilesOfAnMM1QueueAreThoseOfTheory) {
  std::mt19937_64 generator(11);
  const Pooled measured =
      pooled(kRate, [&] { return -std::log((static_cast<double>(generator() >> 11) + 1) * 0x1p-53); });
  for (const double p : {0.5, 0.9, 0.95, 0.99}) {
    const double theory = -std::log(1 - p) / (1 - kRate);
    EXPECT_NEAR(quantile_sorted(measured.latency, p) / theory, 1, 0.02) << p;
  }
}

/// P(waiting time <= t) of M/D/1 with service 1 (Erlang 1909, Crommelin 1932).
double md1_waits_at_most(double t, double rate) {
  double sum = 0;
  for (int k = 0; k <= static_cast<int>(t); ++k) {
    const double x = rate * (k - t);
    sum += std::exp(-x) * std::pow(x, k) / std::tgamma(k + 1);
  }
  return (1 - rate) * sum;
}

double md1_wait_quantile(double p, double rate) {
  double low = 0, high = 30;
  for (int i = 0; i < 60; ++i) (md1_waits_at_most((low + high) / 2, rate) < p ? low : high) = (low + high) / 2;
  return high;
}

TEST(Driver, PercentilesOfAnMD1QueueAreThoseOfTheory) {
  constexpr double kLoad = 0.6;  // so that a median request waits as well
  const Pooled measured = pooled(kLoad, [] { return 1.0; });
  for (const double p : {0.5, 0.9, 0.95, 0.99}) {
    const double theory = md1_wait_quantile(p, kLoad);
    ASSERT_GT(theory, 0) << p;
    EXPECT_NEAR(quantile_sorted(measured.wait, p) / theory, 1, 0.02) << p;
    EXPECT_NEAR(quantile_sorted(measured.latency, p) / (1 + theory), 1, 0.02) << p;
  }
}

double p99(const LoadLevel& level, double LoadRequest::*from) {
  std::vector<double> values;
  for (const LoadRequest& request : level.requests) values.push_back(*request.ended_s - request.*from);
  return quantile(values, 0.99);
}

// Of 500 requests in 100 s some 25 come during the stall, and as many while the queue is worked off: the p99 is among
// those that came at its begin.
constexpr std::pair<double, double> kStall{50, 55};

TEST(Driver, AStallOfFiveSecondsIsSeenByAllWhoWereToBeServedMeanwhile) {
  SimulatedServer server([] { return 0.1; }, kStall);
  const LoadLevel level = run(server, open_plan(5, 3, 0, {{}, 100}));
  EXPECT_GT(p99(level, &LoadRequest::intended_s), 4);
}

TEST(Driver, AClosedLoadHidesTheStall) {
  SimulatedServer server([] { return 0.1; }, kStall);
  const LoadLevel level = run(server, closed_plan(1, {{}, 100}));
  ASSERT_GT(level.requests.size(), 900u);
  EXPECT_LT(p99(level, &LoadRequest::intended_s), 0.2);  // one request in a thousand met it
}

TEST(Driver, AClientThatWaitsForItsTurnDoesNotHideTheStall) {
  SimulatedServer server([] { return 0.1; }, kStall);
  LevelPlan plan = open_plan(5, 3, 0, {{}, 100});
  plan.most_at_once = 1;
  const LoadLevel level = run(server, plan);
  EXPECT_GT(p99(level, &LoadRequest::intended_s), 4);
  EXPECT_LT(p99(level, &LoadRequest::sent_s), 0.2);  // coordinated omission: what the others wait is left out
}

TEST(Driver, ASaturatedServerCompletesItsOwnRate) {
  SimulatedServer server([] { return 2.0; });
  const LoadLevel level = run(server, open_plan(5, 1, 1, {20, {}}));
  const LoadSummary summary = summarise(level, {});
  EXPECT_EQ(summary.asked, 20);
  EXPECT_NEAR(*summary.per_s, 0.5, 1e-6);
  SimulatedServer other([] { return 2.0; });
  EXPECT_NEAR(*summarise(run(other, closed_plan(2, {10, {}})), {}).per_s, 0.5, 1e-6);
}

TEST(Driver, AClosedLoadKeepsAsManyUnderWayAsItWasTold) {
  SimulatedServer server([] { return 1.0; });
  const LoadLevel level = run(server, closed_plan(3, {9, {}}));
  ASSERT_EQ(level.requests.size(), 9u);
  EXPECT_EQ(level.requests[2].sent_s, 0);
  EXPECT_EQ(level.requests[3].sent_s, 1);
  EXPECT_EQ(level.requests[8].ended_s, 9);
}

TEST(Driver, ARequestThatTakesTooLongHasTimedOutAndTheRestGoesOn) {
  int served = 0;
  SimulatedServer server([&] { return served++ == 1 ? 100.0 : 1.0; });
  LevelPlan plan = closed_plan(1, {3, {}});
  plan.request_limit_s = 10;
  const LoadLevel level = run(server, plan);
  EXPECT_EQ(level.requests[0].end, LoadEnd::kCompleted);
  EXPECT_EQ(level.requests[1].end, LoadEnd::kTimedOut);
  EXPECT_EQ(level.requests[1].ended_s, 11);
  EXPECT_EQ(level.requests[2].sent_s, 11);
}

TEST(Driver, AnInterruptionGivesUpWhatIsUnderWay) {
  SimulatedServer server([] { return 1.0; });
  int asked = 0;
  Driver driver(server, any_order, [&] { return ++asked > 4; });
  EXPECT_THROW(driver.run(closed_plan(2, {9, {}})), Error);
  EXPECT_FALSE(server.wait(1e9).has_value());
}

TEST(Arrivals, APoissonProcessHasItsRateAndItsSeed) {
  const std::vector<double> times = poisson_arrivals(4, 7, 0, {10'000, {}});
  ASSERT_EQ(times.size(), 10'000u);
  EXPECT_NEAR(times.back() / 2500, 1, 0.03);  // the sum of 10 000 exponentials has a deviation of 1 %
  EXPECT_EQ(poisson_arrivals(4, 7, 0, {10'000, {}}), times);
  EXPECT_NE(poisson_arrivals(4, 8, 0, {10'000, {}}), times);
  EXPECT_NEAR(poisson_arrivals(8, 7, 0, {10'000, {}}).back() * 2, times.back(), 1e-6);
}

TEST(Arrivals, TheLengthCountsFromTheWarmUp) {
  const std::vector<double> times = poisson_arrivals(1, 1, 5, {{}, 100});
  EXPECT_LE(times.back() - times[4], 100);
  EXPECT_GT(times.size(), 60u);
  EXPECT_EQ(poisson_arrivals(1, 1, 5, {3, {}}).size(), 8u);
  EXPECT_THROW(poisson_arrivals(1e5, 1, 0, {{}, 1e6}), Error);
}

}  // namespace
}  // namespace wan::load
