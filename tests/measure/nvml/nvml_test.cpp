// NVML against an invented card: every value lands where it should, and what the driver lacks is absent.
#include <gtest/gtest.h>

#include "eventually.h"
#include "measure/gpu.h"
#include "measure/machine.h"

namespace wan::measure {
namespace {

TEST(Nvml, ReadsTheFactsOfTheCard) {
  const GpuSet set = open_gpus();
  ASSERT_EQ(set.gpus.size(), 1u) << set.reason;
  EXPECT_EQ(set.version, "13.580.1");
  const GpuFacts& facts = set.gpus[0]->facts();
  EXPECT_EQ(facts.name, "Paper H100");
  EXPECT_EQ(facts.uuid, "GPU-paper");
  EXPECT_EQ(facts.driver, "580.1");
  EXPECT_EQ(facts.memory_bytes, 80ull << 30);
  EXPECT_EQ(facts.activity_source, "nvml_gpm");
  EXPECT_FALSE(facts.power_limit_w);
  EXPECT_FALSE(facts.ecc);
}

TEST(Nvml, ReadsOneInstant) {
  const GpuSet set = open_gpus();
  ASSERT_EQ(set.gpus.size(), 1u);
  const GpuReading first = set.gpus[0]->read(), second = set.gpus[0]->read();
  EXPECT_EQ(first.device_bytes, 10ull << 30);
  EXPECT_EQ(first.gpu_busy, 0.75);
  EXPECT_EQ(first.sm_clock_mhz, 1600);
  EXPECT_EQ(first.memory_clock_mhz, 2600);
  EXPECT_DOUBLE_EQ(*first.power_w, 650.5);
  EXPECT_DOUBLE_EQ(*second.energy_mj - *first.energy_mj, 500);
  EXPECT_EQ(first.slowdown, kSoftwarePowerCap);
  EXPECT_FALSE(first.temperature_c);
  ASSERT_EQ(first.processes.size(), 2u);
  EXPECT_EQ(first.processes[0].memory_bytes, 5ull << 30);
  EXPECT_FALSE(first.processes[1].memory_bytes);
}

TEST(Nvml, ActivityNeedsTheDocumentedPauseBetweenSnapshots) {
  const GpuSet set = open_gpus();
  ASSERT_EQ(set.gpus.size(), 1u);
  std::optional<ActivityReading> activity;
  ASSERT_TRUE(test::eventually([&] { return (activity = set.gpus[0]->read_activity()).has_value(); }));
  EXPECT_GE(activity->interval.length_ns(), 100'000'000);
  EXPECT_DOUBLE_EQ(*activity->sm, 0.9);
  EXPECT_DOUBLE_EQ(*activity->tensor, 0.05);  // the fake answers with the metric's number
  EXPECT_DOUBLE_EQ(*activity->pcie_to_host_mib_s, 20);
  EXPECT_FALSE(activity->dram);
  const int64_t first_end_ns = activity->interval.end_ns;
  ASSERT_TRUE(test::eventually([&] { return (activity = set.gpus[0]->read_activity()).has_value(); }));
  EXPECT_GE(activity->interval.length_ns(), 100'000'000);
  EXPECT_EQ(activity->interval.begin_ns, first_end_ns) << "intervals follow one another";
}

TEST(Nvml, DescribesTheCardForARecord) {
  const GpuSet set = open_gpus();
  ASSERT_EQ(set.gpus.size(), 1u);
  const GpuInfo info = describe_gpu(set.gpus[0]->facts(), nullptr);
  EXPECT_EQ(info.memory_bytes.value, 80ull << 30);
  EXPECT_EQ(info.power_limit_w.reason, "not_told_by_the_driver");
  EXPECT_EQ(info.sm_count.reason, "not_told_by_the_driver");
}

}  // namespace
}  // namespace wan::measure
