// The ladder of counter sources: which is read, what is kept of those that are refused, and which of two series a
// record gets.
#include "measure/sampler.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <unistd.h>

#include "base/error.h"

namespace wan::measure {
namespace {

constexpr int64_t kMs = 1'000'000;

/// A card that answers 100 ms of SM activity each time it is asked.
class PaperGpu final : public Gpu {
 public:
  explicit PaperGpu(const std::string& gpm_reason) {
    facts_.activity_reason = gpm_reason;
    if (gpm_reason.empty()) facts_.activity_source = "nvml_gpm";
  }
  const GpuFacts& facts() const override { return facts_; }
  GpuReading read() override { return {}; }
  std::optional<ActivityReading> read_activity() override {
    ActivityReading reading;
    reading.interval = {now_ms_ * kMs, (now_ms_ + 100) * kMs};
    reading.sm = 0.7;
    now_ms_ += 100;
    return reading;
  }

 private:
  GpuFacts facts_;
  int64_t now_ms_ = 0;
};

CounterBatch batch(int64_t end_ms, int windows) {
  CounterBatch result;
  for (int i = windows; i > 0; --i)
    result.samples.push_back({(end_ms - 10 * i) * kMs, (end_ms - 10 * i + 10) * kMs, 0.9, {}, {}});
  result.seen_ns = end_ms * kMs;
  return result;
}

TEST(Sampler, ReadsGpmWhereTheCardHasIt) {
  PaperGpu gpu("");
  Sampler sampler(&gpu, "", CounterRung::kGpm);
  sampler.sample(::getpid());
  const Activity activity = activity_of(sampler.samples());
  EXPECT_EQ(activity.source, "nvml_gpm");
  EXPECT_EQ(activity.reason, "");
  ASSERT_EQ(activity.readings.size(), 1u);
  EXPECT_EQ(latest_sm(sampler.samples()), 0.7);
}

TEST(Sampler, SaysWhyNothingIsCounted) {
  PaperGpu gpu("they begin with Hopper");
  Sampler sampler(&gpu, "", CounterRung::kGpm);
  sampler.sample(::getpid());
  const Activity activity = activity_of(sampler.samples());
  EXPECT_TRUE(activity.readings.empty());
  EXPECT_EQ(activity.source, "");
  EXPECT_THAT(activity.reason, testing::StartsWith("nvml_gpm: they begin with Hopper; dcgm: "));
}

TEST(Sampler, SwitchedOffIsAReasonToo) {
  PaperGpu gpu("");
  Sampler sampler(&gpu, "", CounterRung::kNone);
  sampler.sample(::getpid());
  EXPECT_TRUE(sampler.samples().activity.empty());
  EXPECT_EQ(activity_of(sampler.samples()).reason, "switched_off");
}

TEST(Sampler, WithoutACardTheReasonIsTheCards) {
  Sampler sampler(nullptr, "no NVIDIA driver", CounterRung::kCupti);
  sampler.refuse_counters("of no use here");
  EXPECT_EQ(activity_of(sampler.samples()).reason, "no NVIDIA driver");
}

TEST(Sampler, LeavesCountingToTheEngineUntilItIsRefused) {
  PaperGpu gpu("");
  Sampler sampler(&gpu, "", CounterRung::kCupti);
  sampler.sample(::getpid());
  EXPECT_TRUE(sampler.samples().activity.empty());
  sampler.refuse_counters("another client holds the counters");
  sampler.sample(::getpid());
  const Activity activity = activity_of(sampler.samples());
  EXPECT_EQ(activity.source, "nvml_gpm");
  EXPECT_EQ(activity.readings.size(), 1u);
  EXPECT_EQ(activity.reason, "cupti_pm: another client holds the counters");
}

TEST(Sampler, TheEnginesCountersAreTheRecords) {
  PaperGpu gpu("");
  Sampler sampler(&gpu, "", CounterRung::kCupti);
  sampler.name_counters("SM: sm__cycles_active");
  sampler.add_counters(batch(500, 20));
  const Activity activity = activity_of(sampler.samples());
  EXPECT_EQ(activity.source, "cupti_pm");
  EXPECT_EQ(activity.readings.size(), 19u);
  EXPECT_EQ(latest_sm(sampler.samples()), 0.9);
  EXPECT_EQ(sampler.samples().counter_names, "SM: sm__cycles_active");
}

TEST(Sampler, WhatCoversMoreOfTheRunIsTaken) {
  PaperGpu gpu("");
  Sampler sampler(&gpu, "", CounterRung::kCupti);
  sampler.add_counters(batch(60, 6));  // 50 ms beside the very first
  sampler.refuse_counters("decoding failed");
  sampler.sample(::getpid());
  const Activity activity = activity_of(sampler.samples());
  EXPECT_EQ(activity.source, "nvml_gpm");
  EXPECT_EQ(activity.reason, "cupti_pm: decoding failed");
}

TEST(Counters, NamesOfTheCommandLine) {
  EXPECT_EQ(parse_counters("auto"), kTimedRung);
  EXPECT_EQ(parse_counters("cupti"), CounterRung::kCupti);
  EXPECT_EQ(parse_counters("gpm"), CounterRung::kGpm);
  EXPECT_EQ(parse_counters("dcgm"), CounterRung::kDcgm);
  EXPECT_EQ(parse_counters("none"), CounterRung::kNone);
  EXPECT_THROW(parse_counters("nvml"), Error);
}

}  // namespace
}  // namespace wan::measure
