// Readings become series of one run, in its own time.
#include "measure/series.h"

#include <gtest/gtest.h>

namespace wan::measure {
namespace {

const SampleSeries* find(const SampleSet& set, const std::string& name) {
  for (const SampleSeries& series : set.series)
    if (series.name == name) return &series;
  return nullptr;
}

TEST(Series, KeepsWhatLiesInTheRunAndCountsFromItsBegin) {
  Samples samples;
  samples.period_ns = 100'000'000;
  for (int64_t i = 0; i < 5; ++i) {
    TreeReading tree;
    tree.at_ns = 1'000'000'000 + i * 100'000'000;
    tree.cpu_ns = i * 150'000'000;  // one and a half cores
    tree.memory.anonymous = static_cast<uint64_t>(i) << 20;
    tree.processes = i == 4 ? 0 : 1;  // the tree has ended
    samples.tree.push_back(tree);
    GpuReading gpu;
    gpu.at_ns = tree.at_ns;
    gpu.power_w = 100.0 + static_cast<double>(i);
    samples.gpu.push_back(gpu);
    ActivityReading activity;
    activity.interval = {tree.at_ns - 100'000'000, tree.at_ns};
    activity.sm = 0.25;
    samples.activity.push_back(activity);
  }
  const SampleSet set = series_of(samples, {1'050'000'000, 1'400'000'000});
  EXPECT_EQ(set.period_ms, 100);
  const SampleSeries* power = find(set, "power_w");
  ASSERT_NE(power, nullptr);
  EXPECT_EQ(power->begin_ns, (std::vector<int64_t>{50'000'000, 150'000'000, 250'000'000, 350'000'000}));
  EXPECT_EQ(power->values, (std::vector<double>{101, 102, 103, 104}));
  const SampleSeries* sm = find(set, "sm_active_percent");
  ASSERT_NE(sm, nullptr);
  EXPECT_EQ(sm->begin_ns, (std::vector<int64_t>{50'000'000, 150'000'000, 250'000'000}));  // the first reaches out
  EXPECT_EQ(sm->values, (std::vector<double>{25, 25, 25}));
  const SampleSeries* cores = find(set, "process_cpu_cores");
  ASSERT_NE(cores, nullptr);
  ASSERT_EQ(cores->values.size(), 2u);
  EXPECT_NEAR(cores->values[0], 1.5, 1e-12);
  EXPECT_EQ(find(set, "sm_clock_mhz"), nullptr);  // nobody read it
}

}  // namespace
}  // namespace wan::measure
