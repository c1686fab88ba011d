// Stage accounts from synthetic spans and samples; no clock is read.
#include "measure/account.h"

#include <time.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <set>

namespace wan::measure {
namespace {

constexpr int64_t kMs = 1'000'000;
constexpr uint64_t kMiB = uint64_t{1} << 20;

StageSpan leaf(const std::string& name, int64_t begin_ms, int64_t end_ms) {
  return {stage_from_name(name), "", false, begin_ms * kMs, end_ms * kMs, 0, 1e9};
}

TreeReading tree(int64_t at_ms, int64_t cpu_ms, uint64_t anonymous_mib, uint64_t high_water_mib = 0) {
  TreeReading reading;
  reading.at_ns = at_ms * kMs;
  reading.cpu_ns = cpu_ms * kMs;
  reading.memory.anonymous = anonymous_mib * kMiB;
  reading.memory.high_water = high_water_mib * kMiB;
  reading.processes = 1;
  reading.pids = {100};
  return reading;
}

MachineReading machine(int64_t at_ms, int64_t busy_ms) {
  MachineReading reading;
  reading.at_ns = at_ms * kMs;
  reading.busy_ns = busy_ms * kMs;
  reading.used_bytes = 500 * kMiB;
  return reading;
}

/// 1 s: 300 ms initialization, 10 ms nobody's, two steps of 300 ms, 90 ms after the last.
RunTimeline timeline() {
  RunTimeline run;
  run.total = {0, 1000 * kMs};
  run.spans = {leaf("Model_Initialization", 0, 300), leaf("Step_0_Inference", 310, 610),
               leaf("Step_1_Inference", 610, 910)};
  run.exit_cpu_ns = 1500 * kMs;
  run.exit_peak_rss_bytes = 90 * kMiB;
  return run;
}

/// Every 100 ms; the tree uses 2 cores from 300 ms on, the machine one core more.
Samples samples() {
  Samples result;
  result.period_ns = 100 * kMs;
  result.gpu_reason = result.activity_reason = "no NVIDIA driver";
  for (int64_t at = 0; at <= 1000; at += 100) {
    const int64_t cpu = at <= 300 ? at : 300 + 2 * (at - 300);
    result.tree.push_back(tree(at, cpu, at <= 300 ? 10 : 50));
    result.machine.push_back(machine(at, cpu + at));
  }
  return result;
}

const StageRecord& find(const std::vector<StageRecord>& stages, const std::string& id) {
  for (const StageRecord& stage : stages)
    if (stage.id == id) return stage;
  throw std::runtime_error("no stage " + id);
}

TEST(Account, LeavesAndUnattributedTileTheTotal) {
  const auto stages = account(timeline(), samples()).stages;
  int64_t sum = 0;
  for (const StageRecord& stage : stages)
    if (stage.kind == StageKind::kLeaf) sum += stage.wall_ns;
  EXPECT_EQ(sum, 1000 * kMs);
  EXPECT_EQ(find(stages, "Unattributed").wall_ns, 100 * kMs);
  EXPECT_EQ(stages.back().id, "Total_Execution");
  EXPECT_EQ(stages.back().wall_ns, 1000 * kMs);
  EXPECT_EQ(find(stages, "Step_1_Inference").begin_ns.value, 610 * kMs);
  EXPECT_EQ(stages.back().flops.value, 3e9);
}

TEST(Account, DeviceAndCopyTimesAreTheEnginesAndAddUp) {
  RunTimeline run = timeline();
  Samples on_gpu = samples();
  on_gpu.gpu_reason.clear();
  for (const size_t step : {1u, 2u}) {
    run.spans[step].gpu_ns = 300 * kMs;
    run.spans[step].exposed_copy_ns = 7 * kMs;
    run.spans[step].hidden_copy_ns = 90 * kMs;
  }
  const auto stages = account(run, on_gpu).stages;
  EXPECT_EQ(find(stages, "Step_0_Inference").gpu_ns, measured<int64_t>(300 * kMs, "device_event"));
  EXPECT_EQ(find(stages, "Step_1_Inference").exposed_copy_ns.value, 7 * kMs);
  EXPECT_EQ(find(stages, "Model_Initialization").gpu_ns.reason, "not_reported_by_the_engine");
  EXPECT_EQ(find(stages, "Total_Execution").gpu_ns.value, 600 * kMs);
  EXPECT_EQ(find(stages, "Total_Execution").exposed_copy_ns.value, 14 * kMs);
  EXPECT_EQ(find(stages, "Total_Execution").hidden_copy_ns.value, 180 * kMs);
  const auto on_cpu = account(timeline(), samples()).stages;
  EXPECT_EQ(find(on_cpu, "Step_0_Inference").gpu_ns.reason, "no NVIDIA driver");
  EXPECT_EQ(find(on_cpu, "Total_Execution").hidden_copy_ns.reason, "no NVIDIA driver");
}

TEST(Account, CpuTimeFollowsTheCounterBetweenSamples) {
  const auto stages = account(timeline(), samples()).stages;
  EXPECT_EQ(find(stages, "Model_Initialization").cpu_core_ns.value, 300 * kMs);
  EXPECT_EQ(find(stages, "Step_0_Inference").cpu_core_ns.value, 600 * kMs);
  EXPECT_EQ(find(stages, "Step_0_Inference").other_cpu_core_ns.value, 300 * kMs);
  // The kernel's own account at exit is below the last sample: counters never run backwards.
  EXPECT_EQ(find(stages, "Total_Execution").cpu_core_ns.value, 1700 * kMs);
}

TEST(Account, AShortStageHasNoSampledCpuTimeButAnExactOneFromItsBoundaries) {
  RunTimeline run = timeline();
  run.spans = {leaf("Model_Initialization", 0, 300), leaf("T5_Encoding", 300, 350), leaf("VAE_Decoding", 350, 1000)};
  EXPECT_EQ(find(account(run, samples()).stages, "T5_Encoding").cpu_core_ns.reason, "below_resolution");
  run.boundaries = {tree(0, 0, 5, 5), tree(300, 300, 10, 20), tree(350, 345, 30, 70), tree(1000, 1700, 20, 60)};
  const auto stages = account(run, samples()).stages;
  // 45 ms between its own readings, though the sampled line would say 100.
  EXPECT_EQ(find(stages, "T5_Encoding").cpu_core_ns.value, 45 * kMs);
}

TEST(Account, AWarmVideoIsChargedOnlyForItsOwnPart) {
  RunTimeline run;
  run.from_process_start = false;
  run.total = {400 * kMs, 700 * kMs};
  run.spans = {leaf("T5_Encoding", 400, 700)};
  run.boundaries = {tree(400, 500, 10), tree(700, 1100, 10)};
  const auto stages = account(run, samples()).stages;
  EXPECT_EQ(find(stages, "T5_Encoding").cpu_core_ns.value, 600 * kMs);
  EXPECT_EQ(find(stages, "Total_Execution").cpu_core_ns.value, 600 * kMs);
}

TEST(Account, MemoryPeaksComeFromTheHighWaterMarkOfEachStage) {
  RunTimeline run = timeline();
  run.spans = {leaf("Model_Initialization", 0, 300), leaf("T5_Encoding", 300, 350), leaf("VAE_Decoding", 350, 1000)};
  run.boundaries = {tree(0, 0, 5, 5), tree(300, 300, 10, 20), tree(350, 345, 30, 70), tree(1000, 1700, 20, 60)};
  const auto stages = account(run, samples()).stages;
  EXPECT_EQ(find(stages, "Model_Initialization").host_memory.process_peak_bytes.value, 20 * kMiB);
  EXPECT_EQ(find(stages, "T5_Encoding").host_memory.process_peak_bytes.value, 70 * kMiB);
  EXPECT_EQ(find(stages, "VAE_Decoding").host_memory.process_peak_bytes.value, 60 * kMiB);
  EXPECT_EQ(find(stages, "Total_Execution").host_memory.process_peak_bytes.value, 90 * kMiB);
  EXPECT_EQ(find(stages, "T5_Encoding").host_memory.process_peak_bytes.source, "proc");
  EXPECT_EQ(find(stages, "T5_Encoding").host_memory.system_used_peak_bytes.value, 500 * kMiB);
}

TEST(Account, TheEnginesMemoryIsItsComponentsAndItsOwnPeak) {
  RunTimeline run = timeline();
  run.memory = {
      {stage_from_name("Step_0_Inference"), {{"weights.dit.bf16", 900}, {"workspace", 30}}, {{"pinned", 7}}, 1000},
      {stage_from_name("Step_1_Inference"), {{"weights.dit.bf16", 900}, {"workspace", 40}}, {}, 950}};
  Samples on_gpu = samples();
  on_gpu.gpu_reason.clear();
  const auto stages = account(run, on_gpu).stages;
  EXPECT_EQ(find(stages, "Step_0_Inference").device_memory.pool_peak_bytes, measured<uint64_t>(1000, "engine"));
  EXPECT_EQ(find(stages, "Step_1_Inference").device_memory.pool_peak_bytes.value, 950u);
  EXPECT_EQ(find(stages, "Total_Execution").device_memory.pool_peak_bytes.value, 1000u);
  EXPECT_EQ(find(stages, "Total_Execution").device_memory.component_bytes.at("workspace"), 40u);
  EXPECT_EQ(find(stages, "Total_Execution").host_memory.pinned_peak_bytes.value, 7u);
  EXPECT_EQ(find(stages, "Model_Initialization").device_memory.pool_peak_bytes.reason, "not_reported_by_the_engine");
}

TEST(Account, WithoutAGpuItsValuesAreAbsentWithTheReason) {
  const auto stages = account(timeline(), samples()).stages;
  const StageRecord& step = find(stages, "Step_0_Inference");
  EXPECT_FALSE(step.counters.sm_active.mean_percent);
  EXPECT_EQ(step.counters.sm_active.reason, "no NVIDIA driver");
  EXPECT_EQ(step.device_memory.process_peak_bytes.reason, "no NVIDIA driver");
  EXPECT_EQ(step.energy_j.reason, "no NVIDIA driver");
  EXPECT_FALSE(step.sm_clock_mhz.has());
}

Samples with_gpu() {
  Samples result = samples();
  result.gpu_reason = result.activity_reason = "";
  result.activity_source = "nvml_gpm";
  for (int64_t at = 0; at <= 1000; at += 100) {
    GpuReading gpu;
    gpu.at_ns = at * kMs;
    gpu.device_bytes = (at < 300 ? 100 : 900) * kMiB;
    gpu.processes = {{100, (at < 300 ? 60 : 800) * kMiB}, {7, 5 * kMiB}};
    gpu.gpu_busy = 1.0;
    gpu.sm_clock_mhz = at < 600 ? 1900 : 1500;
    gpu.power_w = 400;
    gpu.energy_mj = double(at) * 400;  // 400 W
    gpu.slowdown = at > 600 ? kHardwareThermal : 0;
    result.gpu.push_back(gpu);
    if (at > 0) {
      ActivityReading activity;
      activity.interval = {(at - 100) * kMs, at * kMs};
      activity.sm = at <= 300 ? 0.0 : 0.8;
      result.activity.push_back(activity);
    }
  }
  return result;
}

TEST(Account, GpuReadingsAreGivenToStagesByOverlap) {
  const auto stages = account(timeline(), with_gpu()).stages;
  EXPECT_DOUBLE_EQ(*find(stages, "Model_Initialization").counters.sm_active.mean_percent, 0);
  EXPECT_DOUBLE_EQ(*find(stages, "Step_0_Inference").counters.sm_active.mean_percent, 80);
  EXPECT_EQ(find(stages, "Step_0_Inference").counters.sm_active.source, "nvml_gpm");
  EXPECT_EQ(find(stages, "Step_0_Inference").device_memory.process_peak_bytes.value, 800 * kMiB);
  EXPECT_EQ(find(stages, "Step_0_Inference").device_memory.device_peak_bytes.value, 900 * kMiB);
  EXPECT_EQ(find(stages, "Step_0_Inference").sm_clock_mhz.value->median, 1900);
  // The 100 ms window up to 700 ms is the first that throttles: 310 ms of 300 ms would be all, 610..910 has 600 of it.
  EXPECT_NEAR(*find(stages, "Step_1_Inference").throttled_percent.value, 100, 1e-9);
  EXPECT_NEAR(*find(stages, "Step_0_Inference").throttled_percent.value, 100 * 10.0 / 300, 1e-9);
}

TEST(Account, EnergyNeedsASecond) {
  const auto stages = account(timeline(), with_gpu()).stages;
  EXPECT_EQ(find(stages, "Step_0_Inference").energy_j.reason, "below_resolution");
  EXPECT_NEAR(*find(stages, "Step_0_Inference").power_mean_w.value, 400, 1e-9);
  EXPECT_NEAR(*find(stages, "Total_Execution").energy_j.value, 400, 1e-9);
  EXPECT_EQ(find(stages, "Total_Execution").energy_j.source, "nvml_energy_counter");
}

/// A card whose power and activity change at instants that are nobody's edge: the sum over leaves and gaps is the whole
/// run's integral all the same.
TEST(Account, StagesAddUpToTheWholeRun) {
  Samples uneven = with_gpu();
  uneven.activity.clear();
  double energy_mj = 0, sm_seconds = 0;
  for (size_t i = 0; i < uneven.gpu.size(); ++i) {
    uneven.gpu[i].energy_mj = energy_mj;
    energy_mj += 10'000.0 * double(i * i % 7 + 1);
    if (i == 0) continue;
    ActivityReading activity;
    activity.interval = {uneven.gpu[i - 1].at_ns, uneven.gpu[i].at_ns};
    activity.sm = 0.1 * double(i * i % 9);
    sm_seconds += 0.1 * *activity.sm;
    uneven.activity.push_back(activity);
  }
  const auto checks = account(timeline(), uneven).integrals;
  ASSERT_EQ(checks.size(), 2u);
  EXPECT_EQ(checks[0].quantity, "energy_j");
  EXPECT_NEAR(checks[0].whole_run, 1e-3 * *uneven.gpu.back().energy_mj, 1e-9);
  EXPECT_NEAR(checks[0].over_stages, checks[0].whole_run, 1e-9);
  EXPECT_EQ(checks[1].quantity, "sm_seconds");
  EXPECT_NEAR(checks[1].whole_run, sm_seconds, 1e-9);
  EXPECT_NEAR(checks[1].over_stages, sm_seconds, 1e-9);
}

/// The process outlives its last reading by a while, in which nothing is known of either side.
TEST(Account, IntegralsReachAsFarAsTheReadings) {
  Samples short_of_it = with_gpu();
  RunTimeline longer = timeline();
  longer.total.end_ns += 45 * kMs;
  const auto checks = account(longer, short_of_it).integrals;
  for (const IntegralCheck& check : checks) EXPECT_NEAR(check.over_stages, check.whole_run, 1e-9) << check.quantity;
  EXPECT_EQ(checks.size(), 2u);
  longer.total.end_ns += 100 * kMs;
  EXPECT_TRUE(account(longer, short_of_it).integrals.empty()) << "less than 95 % was read";
}

TEST(Account, MissingReadingsShowInTheIntegrals) {
  Samples gone = with_gpu();
  std::erase_if(gone.activity, [](const ActivityReading& reading) {
    return reading.interval.begin_ns >= 300 * kMs && reading.interval.end_ns <= 600 * kMs;
  });
  gone.gpu.resize(6);  // the counter is not known beyond half the run
  const auto checks = account(timeline(), gone).integrals;
  ASSERT_EQ(checks.size(), 1u) << "no energy without the counter";
  EXPECT_GT(std::abs(checks[0].over_stages / checks[0].whole_run - 1), 0.02);
  EXPECT_TRUE(account(timeline(), samples()).integrals.empty());
}

TEST(Account, ShortStagesOfOneKindGetAPooledValue) {
  RunTimeline run;
  run.total = {0, 4000 * kMs};
  for (int i = 0; i < 21; ++i) {
    run.spans.push_back(leaf("Step_" + std::to_string(i) + "_Loading", 190 * i, 190 * i + 50));
    run.spans.push_back(leaf("Step_" + std::to_string(i) + "_Inference", 190 * i + 50, 190 * i + 190));
  }
  Samples readings = with_gpu();
  readings.activity.clear();
  for (int64_t at = 100; at <= 4000; at += 100) {
    ActivityReading activity;
    activity.interval = {(at - 100) * kMs, at * kMs};
    activity.sm = 0.5;
    readings.activity.push_back(activity);
  }
  const auto stages = account(run, readings).stages;
  const Counter& counter = find(stages, "Step_3_Loading").counters.sm_active;
  EXPECT_FALSE(counter.mean_percent);
  EXPECT_EQ(counter.reason, "below_resolution");
  EXPECT_EQ(counter.pooled_percent, 50);
}

TEST(Account, IdsAreUniqueWhateverStagesAreCalled) {
  RunTimeline run;
  run.total = {0, 1000 * kMs};
  run.spans = {leaf("a", 0, 1),           leaf("a", 1, 2),   leaf("a#2", 2, 3),
               leaf("a", 3, 4),           leaf("a#2", 4, 5), leaf("Total_Execution", 5, 6),
               leaf("Unattributed", 6, 7)};
  std::set<std::string> ids;
  for (const StageRecord& stage : account(run, samples()).stages) EXPECT_TRUE(ids.insert(stage.id).second) << stage.id;
  EXPECT_EQ(ids.size(), 9u);
}

TEST(Account, PartsOfSeveralLeavesOfOneStageAreListedOnce) {
  RunTimeline run;
  run.total = {0, 1000 * kMs};
  for (int i = 0; i < 10; ++i) {
    run.spans.push_back(leaf("a", 10 * i, 10 * i + 10));
    run.spans.push_back(leaf("a", 10 * i, 10 * i + 5));
    run.spans.back().component = "h2d";
    run.spans.back().hidden = true;
  }
  const auto stages = account(run, samples()).stages;
  EXPECT_EQ(std::count_if(stages.begin(), stages.end(), [](const auto& s) { return s.kind == StageKind::kHidden; }),
            10);
}

/// What accounting costs of a run of so many stages, each with a part and its memory, and readings.
double cpu_seconds_of(int64_t stage_count, int64_t reading_count) {
  RunTimeline run;
  run.total = {0, stage_count * kMs};
  for (int64_t i = 0; i < stage_count; ++i) {
    run.spans.push_back(leaf("S" + std::to_string(i), i, i + 1));
    run.spans.push_back(run.spans.back());
    run.spans.back().component = "part";
    run.memory.push_back({run.spans.back().stage, {{"weights", 5}}, {}});
  }
  Samples read = samples();
  for (int64_t i = 0; i < reading_count; ++i) {
    GpuReading gpu;
    gpu.at_ns = i * stage_count * kMs / reading_count;
    gpu.gpu_busy = 0.5;
    gpu.power_w = 100;
    gpu.sm_clock_mhz = 1000;
    gpu.device_bytes = 1000;
    read.gpu.push_back(gpu);
  }
  const auto now = [] {
    timespec time{};
    ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return double(time.tv_sec) + double(time.tv_nsec) * 1e-9;
  };
  const double before = now();
  const auto stages = account(run, read).stages;
  const double seconds = now() - before;
  EXPECT_EQ(stages.size(), static_cast<size_t>(2 * stage_count + 2));
  return seconds;
}

/// Of the stages and readings of a long run four times as many cost about four times as much; where the cost is their
/// product it is sixteen times. Of two tries the smaller, since another program may take the caches.
TEST(Account, ManyStagesOfARunWithManyReadingsCostTheirSum) {
  const double few = std::min(cpu_seconds_of(7'500, 5'000), cpu_seconds_of(7'500, 5'000));
  const double many = std::min(cpu_seconds_of(30'000, 20'000), cpu_seconds_of(30'000, 20'000));
  EXPECT_LT(many, 7 * few);
}

TEST(Account, HiddenWorkAndComponentsAreListedButNeverSummed) {
  RunTimeline run = timeline();
  run.spans.push_back({stage_from_name("Step_0_Inference"), "h2d", true, 320 * kMs, 600 * kMs, 1000});
  run.spans.push_back({stage_from_name("Step_0_Inference"), "cond", false, 310 * kMs, 450 * kMs, 0});
  run.spans.push_back({stage_from_name("Step_0_Inference"), "cond", false, 450 * kMs, 610 * kMs, 0});
  const auto stages = account(run, samples()).stages;
  EXPECT_EQ(find(stages, "Unattributed").wall_ns, 100 * kMs);
  EXPECT_EQ(find(stages, "Step_0_Inference/h2d").kind, StageKind::kHidden);
  EXPECT_EQ(find(stages, "Step_0_Inference/h2d").moved_bytes.value, 1000u);
  EXPECT_EQ(find(stages, "Step_0_Inference/cond#2").kind, StageKind::kComponent);
}

}  // namespace
}  // namespace wan::measure
