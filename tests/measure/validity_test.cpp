// Each flag firing and silent, on synthetic samples.
#include "measure/validity.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "results/stage_names.h"

namespace wan::measure {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

std::vector<std::string> names(const std::vector<ValidityFlag>& flags) {
  std::vector<std::string> result;
  for (const ValidityFlag& flag : flags) result.push_back(flag.name);
  return result;
}

struct Scene {
  Samples samples;
  std::vector<StageRecord> stages;
  IdleProbe probe;

  Scene() {
    StageRecord total;
    total.id = total.name = kTotalName;
    total.kind = StageKind::kParent;
    total.wall_ns = 1'000'000'000;
    total.other_cpu_core_ns = measured<int64_t>(100'000'000, "proc");
    stages.push_back(total);
    TreeReading tree;
    tree.pids = {100, 101};
    samples.tree = {tree};
    samples.machine.resize(2);
  }
  void add_gpu(std::vector<pid_t> pids) {
    GpuReading gpu;
    for (const pid_t pid : pids) gpu.processes.push_back({pid, 1});
    gpu.pcie_width = 16;
    samples.gpu.push_back(gpu);
  }
  std::vector<std::string> judged(bool on_gpu = true) const {
    return names(judge({samples, stages, probe, {0, 1'000'000'000}, 2, on_gpu, 16}));
  }
};

TEST(Validity, AQuietRunHasNoFlag) {
  Scene scene;
  scene.add_gpu({100});
  scene.probe.busiest = 0.01;
  EXPECT_THAT(scene.judged(), IsEmpty());
}

TEST(Validity, ARunThatTookMoreThanItsLimitDoesNotCount) {
  Scene scene;
  const auto judged = [&](std::optional<uint64_t> limit) {
    return judge({scene.samples, scene.stages, scene.probe, {0, 1'000'000'000}, 2, true, 16, {}, limit});
  };
  constexpr uint64_t kLimit = uint64_t{12} << 30;
  EXPECT_THAT(judged(kLimit), IsEmpty()) << "what was not read is not above it";
  scene.stages[0].device_memory.process_peak_bytes = measured(kLimit, "nvml");
  EXPECT_THAT(judged(kLimit), IsEmpty());
  EXPECT_THAT(judged(std::nullopt), IsEmpty());
  const std::vector<ValidityFlag> flags = judged(kLimit - 1);
  ASSERT_THAT(names(flags), ElementsAre("above_gpu_memory_limit"));
  EXPECT_TRUE(flags[0].excludes);
  EXPECT_THAT(flags[0].detail, ::testing::HasSubstr("12GiB"));
}

TEST(Validity, AStrangerOnTheCardIsSeen) {
  Scene scene;
  scene.add_gpu({100, 555});
  EXPECT_THAT(scene.judged(), ElementsAre("foreign_gpu_process"));
}

TEST(Validity, AnUnknownPidIsOursWhereTheDriverNeverListsUs) {
  Scene scene;
  scene.add_gpu({9001});
  EXPECT_THAT(scene.judged(), IsEmpty());
  scene.probe.processes = {9001};  // but not when it was there before we started
  EXPECT_THAT(scene.judged(), ElementsAre("foreign_gpu_process"));
}

TEST(Validity, MoreProcessesThanOursAreStrangersInAnotherPidNamespace) {
  Scene scene;  // of two processes
  scene.add_gpu({9001, 9002});
  EXPECT_THAT(scene.judged(), IsEmpty());
  scene.add_gpu({9001, 9002, 9003});
  EXPECT_THAT(scene.judged(), ElementsAre("foreign_gpu_process"));
}

TEST(Validity, IntegralsThatDisagreeMarkTheRun) {
  Scene scene;
  const std::vector<IntegralCheck> close = {{"energy_j", 981, 1000}};
  const std::vector<IntegralCheck> apart = {{"energy_j", 979, 1000}, {"sm_seconds", 10, 10}};
  EXPECT_THAT(judge({scene.samples, scene.stages, scene.probe, {}, 2, true, {}, close}), IsEmpty());
  const auto flags = judge({scene.samples, scene.stages, scene.probe, {}, 2, true, {}, apart});
  ASSERT_THAT(names(flags), ElementsAre("integral_mismatch"));
  EXPECT_FALSE(flags[0].excludes);
}

TEST(Validity, ABusyCardBeforeTheRunIsSeen) {
  Scene scene;
  scene.add_gpu({100});
  scene.probe.busiest = 0.021;
  EXPECT_THAT(scene.judged(), ElementsAre("gpu_not_idle"));
}

TEST(Validity, ACpuHogExcludesACpuRunAndMarksAGpuRun) {
  Scene scene;
  scene.stages[0].other_cpu_core_ns = measured<int64_t>(501'000'000, "proc");  // a quarter of 2 cores is 0.5
  EXPECT_THAT(scene.judged(false), ElementsAre("cpu_interference"));
  EXPECT_TRUE(judge({scene.samples, scene.stages, scene.probe, {}, 2, false, {}})[0].excludes);
  EXPECT_FALSE(judge({scene.samples, scene.stages, scene.probe, {}, 2, true, {}})[0].excludes);
  scene.stages[0].other_cpu_core_ns = measured<int64_t>(499'000'000, "proc");
  EXPECT_THAT(scene.judged(false), IsEmpty());
}

TEST(Validity, ThermalSlowdownOfTheStepsExcludesAndAPowerCapDoesNot) {
  Scene scene;
  StageRecord step;
  step.name = "Step_1_Inference";
  step.role = StageRole::kStepInference;
  step.wall_ns = 1000;
  step.throttled_percent = measured(1.5, "nvml");
  scene.stages.push_back(step);
  EXPECT_THAT(scene.judged(), ElementsAre("thermal_slowdown"));
  scene.stages.back().throttled_percent = measured(0.9, "nvml");
  scene.add_gpu({100});
  scene.samples.gpu[0].slowdown = kSoftwarePowerCap;
  EXPECT_THAT(scene.judged(), ElementsAre("software_power_cap"));
  EXPECT_FALSE(judge({scene.samples, scene.stages, scene.probe, {}, 2, true, 16})[0].excludes);
}

TEST(Validity, ReadingsThatStandStillInAStepMarkIt) {
  const auto flags_with_gap = [](int64_t gap_begin_ms, int64_t gap_ms, bool on_gpu, int64_t period_ms = 100) {
    Scene scene;
    StageRecord step;
    step.name = step.id = "Step_1_Inference";
    step.role = StageRole::kStepInference;
    step.kind = StageKind::kLeaf;
    step.begin_ns = measured<int64_t>(2'000'000'000, "clock");
    step.wall_ns = 1'000'000'000;
    scene.stages.push_back(step);
    constexpr int64_t kStart = 7'000'000'000;  // of the run, by the watching process's clock
    for (int64_t ms = 0; ms < 4000; ms += ms == gap_begin_ms ? gap_ms : period_ms) {
      scene.add_gpu({100});
      scene.samples.gpu.back().at_ns = kStart + ms * 1'000'000;
    }
    return judge({scene.samples, scene.stages, scene.probe, {kStart, kStart + 4'000'000'000}, 2, on_gpu, 16});
  };
  const auto flags = flags_with_gap(2700, 700, true);
  ASSERT_THAT(names(flags), ElementsAre("stalled_readings"));
  EXPECT_THAT(flags[0].detail, ::testing::HasSubstr("every 0.10 s: Step_1_Inference 0.30 s;"));
  EXPECT_FALSE(flags[0].excludes);
  EXPECT_THAT(names(flags_with_gap(2700, 300, true)), IsEmpty());       // a late reading or two
  EXPECT_THAT(names(flags_with_gap(1000, 900, true)), IsEmpty());       // before the step
  EXPECT_THAT(names(flags_with_gap(2700, 700, false)), IsEmpty());      // no card, nothing to wait for
  EXPECT_THAT(names(flags_with_gap(2000, 700, true, 500)), IsEmpty());  // readings that are rare by themselves
}

TEST(Validity, ReadingsThatStandStillMarkARunOnACpu) {
  const auto flags_with_gap = [](int64_t gap_ms, StageRole role) {
    Scene scene;
    scene.samples.tree.clear();
    StageRecord stage;
    stage.name = stage.id = "A stage";
    stage.role = role;
    stage.kind = StageKind::kLeaf;
    stage.begin_ns = measured<int64_t>(2'000'000'000, "clock");
    stage.wall_ns = 1'000'000'000;
    scene.stages.push_back(stage);
    constexpr int64_t kStart = 7'000'000'000;
    for (int64_t ms = 0; ms < 4000; ms += ms == 2200 ? gap_ms : 100) {
      TreeReading tree;
      tree.at_ns = kStart + ms * 1'000'000;
      scene.samples.tree.push_back(tree);
    }
    return judge({scene.samples, scene.stages, scene.probe, {kStart, kStart + 4'000'000'000}, 2, false, {}});
  };
  for (const StageRole role : {StageRole::kStepInference, StageRole::kTextEncoding}) {
    const auto flags = flags_with_gap(700, role);
    ASSERT_THAT(names(flags), ElementsAre("stalled_readings"));
    EXPECT_THAT(flags[0].detail, ::testing::HasSubstr("every 0.10 s: A stage 0.70 s;"));
    EXPECT_FALSE(flags[0].excludes);
    EXPECT_THAT(names(flags_with_gap(300, role)), IsEmpty());
  }
}

TEST(Validity, AStoppedProcessExcludesARun) {
  const auto flags_when_stopped = [](int64_t from_ms, int64_t until_ms, bool on_gpu) {
    Scene scene;
    scene.samples.tree.clear();
    for (int64_t ms = 0; ms < 3000; ms += 100) {
      TreeReading tree;
      tree.at_ns = ms * 1'000'000;
      tree.stopped = ms >= from_ms && ms < until_ms ? 1 : 0;
      scene.samples.tree.push_back(tree);
    }
    return judge({scene.samples, scene.stages, scene.probe, {500'000'000, 2'000'000'000}, 2, on_gpu, {}});
  };
  for (const bool on_gpu : {false, true}) {
    const auto flags = flags_when_stopped(800, 1500, on_gpu);
    ASSERT_THAT(names(flags), ElementsAre("stopped_process"));
    EXPECT_THAT(flags[0].detail, ::testing::HasSubstr("for 0.70 s"));
    EXPECT_TRUE(flags[0].excludes);
  }
  EXPECT_THAT(names(flags_when_stopped(800, 1100, false)), IsEmpty());
  EXPECT_THAT(names(flags_when_stopped(2000, 2900, false)), IsEmpty()) << "after the video";
  EXPECT_THAT(names(flags_when_stopped(1800, 2900, false)), IsEmpty()) << "0.2 s of it in the video";
}

/// Steps of these lengths, in seconds; of a video in clips those of each clip are `in_clip`.
std::vector<ValidityFlag> flags_of_steps(const std::vector<double>& seconds, bool on_gpu, size_t in_clip = 0) {
  Scene scene;
  for (size_t i = 0; i < seconds.size(); ++i) {
    StageRecord step;
    const size_t index = in_clip > 0 ? i % in_clip : i;
    const int clip = in_clip > 0 ? static_cast<int>(i / in_clip) : -1;
    step.name = step.id = published_name(StageRole::kStepInference, static_cast<int>(index), "", clip);
    step.index = static_cast<int64_t>(index);
    step.role = StageRole::kStepInference;
    step.kind = StageKind::kLeaf;
    step.wall_ns = static_cast<int64_t>(seconds[i] * 1e9);
    scene.stages.push_back(step);
  }
  return judge({scene.samples, scene.stages, scene.probe, {0, 1'000'000'000}, 2, on_gpu, 16});
}

TEST(Validity, StepsAtTwoSpeedsExcludeARunOnACardAndMarkOneOnACpu) {
  const std::vector<double> two_speeds{5, 1, 1, 1, 2.2, 2.2, 2.2};
  for (const bool on_gpu : {true, false}) {
    const auto flags = flags_of_steps(two_speeds, on_gpu);
    ASSERT_THAT(names(flags), ElementsAre("bimodal"));
    EXPECT_EQ(flags[0].excludes, on_gpu);
    EXPECT_THAT(flags[0].detail, testing::HasSubstr("+120.0 % from step 4 on"));
  }
  EXPECT_THAT(names(flags_of_steps({9, 1, 1, 1.01, 1, 1.002}, true)), IsEmpty()) << "the first step stands apart";
  EXPECT_THAT(names(flags_of_steps({1, 1, 2, 1}, true)), IsEmpty()) << "too few to say";
}

TEST(Validity, ALaterClipMayTakeLongerAndNoneMayChange) {
  EXPECT_THAT(names(flags_of_steps({2, 1, 1, 1, 1, 2, 1.2, 1.2, 1.2, 1.2}, true, 5)), IsEmpty());
  const auto flags = flags_of_steps({2, 1, 1, 1, 1, 2, 1.2, 1.2, 1.8, 1.8}, true, 5);
  ASSERT_THAT(names(flags), ElementsAre("bimodal"));
  EXPECT_EQ(flags[0].stage, "Clip_1_Step_*_Inference");
}

TEST(Validity, DriftingStepsMarkARun) {
  const auto flags = flags_of_steps({1, 1, 1.005, 1.01, 1.015}, true);
  ASSERT_THAT(names(flags), ElementsAre("drift"));
  EXPECT_FALSE(flags[0].excludes) << "a card that warms up under its power limit does that";
  EXPECT_THAT(names(flags_of_steps({1, 1, 1.002, 1.004, 1.006}, true)), IsEmpty());
}

TEST(Validity, SwapAndNarrowPcieAreSeen) {
  Scene scene;
  scene.samples.machine[1].swap_in_pages = 257;
  scene.add_gpu({100});
  scene.samples.gpu[0].pcie_width = 8;
  EXPECT_THAT(scene.judged(), ElementsAre("swap", "pcie_width_below_nominal"));
}

}  // namespace
}  // namespace wan::measure
