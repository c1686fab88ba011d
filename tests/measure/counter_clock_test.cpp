// Windows of a foreign clock put on the host's: synthetic batches with known offsets.
#include "measure/counter_clock.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <limits>
#include <random>

namespace wan::measure {
namespace {

constexpr int64_t kMs = 1'000'000;
constexpr int64_t kSecond = 1000 * kMs;

CounterSample window(int64_t begin_ms, double sm = 0.5) { return {begin_ms * kMs, (begin_ms + 10) * kMs, sm, {}, {}}; }

/// Windows of 10 ms from device time 0 on, seen `lag_ms` after each batch's last window ended at host time
/// device + offset.
std::vector<CounterBatch> batches(int64_t offset_ms, const std::vector<int64_t>& lags_ms) {
  std::vector<CounterBatch> result;
  int64_t at_ms = 0;
  for (const int64_t lag_ms : lags_ms) {
    CounterBatch batch;
    for (int i = 0; i < 5; ++i, at_ms += 10) batch.samples.push_back(window(at_ms));
    batch.seen_ns = (at_ms + offset_ms + lag_ms) * kMs;
    result.push_back(batch);
  }
  return result;
}

TEST(CounterClock, TheSoonestReadingGivesTheOffset) {
  const auto readings = on_host_clock(batches(7000, {8, 0, 5}));
  ASSERT_EQ(readings.size(), 14u) << "all but the very first";
  EXPECT_EQ(readings[0].interval.begin_ns, 7010 * kMs);
  EXPECT_EQ(readings[0].interval.end_ns, 7020 * kMs);
  EXPECT_EQ(readings.back().interval.end_ns, 7150 * kMs);
  EXPECT_EQ(readings[0].sm, 0.5);
  EXPECT_FALSE(readings[0].tensor);
}

/// Of a program that is not ours anything may come: it makes no readings, and nothing else.
TEST(CounterClock, BatchesFromNowhereAreLeftOut) {
  constexpr int64_t kMost = std::numeric_limits<int64_t>::max(), kLeast = std::numeric_limits<int64_t>::min();
  for (const int64_t seen : {kLeast, kMost, kLeast + 1, int64_t{0}}) {
    std::vector<CounterBatch> all = batches(7000, {8, 0, 5});
    all.insert(all.begin() + 1, {seen, {window(55)}});
    EXPECT_LE(on_host_clock(all).size(), 14u) << seen;
    EXPECT_EQ(on_host_clock(std::vector<CounterBatch>{{seen, {window(0), window(10)}}}).size(), seen == 0 ? 1u : 0u);
  }
  for (const auto& [begin_ns, end_ns] : {std::pair{kLeast, kMost}, {kMost, kLeast}, {int64_t{5}, int64_t{4}}}) {
    std::vector<CounterBatch> all = batches(7000, {8, 0, 5});
    all[1].samples.push_back({begin_ns, end_ns, 0.5, {}, {}});
    EXPECT_EQ(on_host_clock(all).size(), 14u) << begin_ns;
  }
}

TEST(CounterClock, BatchesInNoOrderMakeWindowsThatAre) {
  std::mt19937 random(5);
  std::vector<CounterBatch> all = batches(7000, std::vector<int64_t>(200, 1));
  for (CounterBatch& batch : all) batch.seen_ns += int64_t(random() % 100) * kSecond;
  std::shuffle(all.begin(), all.end(), random);
  const auto readings = on_host_clock(all);
  for (size_t i = 1; i < readings.size(); ++i)
    ASSERT_LE(readings[i - 1].interval.end_ns, readings[i].interval.begin_ns) << i;
}

TEST(CounterClock, IsLateByWhatTheSoonestReadingTook) {
  EXPECT_EQ(on_host_clock(batches(7000, {8, 3, 5}))[0].interval.begin_ns, 7013 * kMs);
}

/// One batch a second for a minute, the device's clock 100 ppm slow: 6 ms apart at the end. What is seen within 10 s of
/// a batch is at most 1 ms of drift away.
TEST(CounterClock, FollowsAClockThatDrifts) {
  std::vector<CounterBatch> drifting;
  for (int64_t second = 1; second <= 60; ++second) {
    const int64_t host_ns = second * kSecond, device_ns = host_ns - second * kSecond / 10'000;
    drifting.push_back({host_ns, {{device_ns - 10 * kMs, device_ns, 0.5, {}, {}}}});
  }
  const auto readings = on_host_clock(drifting);
  ASSERT_EQ(readings.size(), 59u);
  for (size_t i = 0; i < readings.size(); ++i)
    EXPECT_NEAR(double(readings[i].interval.end_ns), double(int64_t(i + 2) * kSecond), 1.001 * kMs) << i;
}

/// Ten minutes of batches that come unevenly, late by a chance amount, from a clock that drifts: each window's offset
/// is the least of all batches around its own, sought here one by one.
TEST(CounterClock, ManyBatchesGetTheLeastOffsetAroundEach) {
  std::mt19937 random(7);
  std::vector<CounterBatch> many;
  int64_t host_ns = 0, device_ns = 0;
  for (int i = 0; i < 3000; ++i) {
    host_ns += static_cast<int64_t>(1 + random() % 400) * kMs;
    const int64_t end_ns = host_ns - host_ns / 10'000 - static_cast<int64_t>(random() % 20) * kMs;
    CounterBatch batch{host_ns, {}};
    if (i % 7 != 3 && end_ns > device_ns) batch.samples.push_back({device_ns, end_ns, 0.5, {}, {}});
    if (!batch.samples.empty()) device_ns = end_ns;
    many.push_back(batch);
  }
  std::vector<int64_t> ends_ns;
  for (const CounterBatch& batch : many) {
    if (batch.samples.empty()) continue;
    int64_t least_ns = batch.seen_ns - batch.samples.back().end_ns;
    for (const CounterBatch& other : many)
      if (!other.samples.empty() && std::abs(other.seen_ns - batch.seen_ns) <= 10 * kSecond)
        least_ns = std::min(least_ns, other.seen_ns - other.samples.back().end_ns);
    ends_ns.push_back(batch.samples.back().end_ns + least_ns);
  }
  const auto readings = on_host_clock(many);
  ASSERT_EQ(readings.size() + 1, ends_ns.size()) << "all but the very first";
  for (size_t i = 0; i < readings.size(); ++i) EXPECT_EQ(readings[i].interval.end_ns, ends_ns[i + 1]) << i;
}

TEST(CounterClock, LeavesOutWindowsThatRunBackwardsOrOverlap) {
  CounterBatch batch{100 * kMs,
                     {window(0), window(10, 0.1), window(5, 0.9), window(20, 0.2), {90 * kMs, 80 * kMs, 1, {}, {}}}};
  const auto readings = on_host_clock(std::vector{batch});
  ASSERT_EQ(readings.size(), 2u);
  EXPECT_EQ(readings[0].sm, 0.1);
  EXPECT_EQ(readings[1].sm, 0.2);
}

TEST(CounterClock, WindowsOfNeighbouringOffsetsDoNotOverlap) {
  std::vector<CounterBatch> two = batches(0, {4, 0});
  two[1].seen_ns += 30 * kSecond;  // too far for the first to know it, and its own offset is larger
  for (CounterSample& sample : two[1].samples) {
    sample.begin_ns += 30 * kSecond + 8 * kMs;
    sample.end_ns += 30 * kSecond + 8 * kMs;
  }
  const auto readings = on_host_clock(two);
  for (size_t i = 1; i < readings.size(); ++i)
    EXPECT_GE(readings[i].interval.begin_ns, readings[i - 1].interval.end_ns) << i;
}

TEST(CounterClock, NothingSeenIsNothing) {
  EXPECT_TRUE(on_host_clock({}).empty());
  EXPECT_TRUE(on_host_clock(std::vector<CounterBatch>{{5, {}}}).empty());
}

}  // namespace
}  // namespace wan::measure
