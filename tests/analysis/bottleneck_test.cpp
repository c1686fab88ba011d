// Hand-made records with a known bottleneck: every rule fires on its own, and stays silent at its limit. A healthy
// record triggers none.
#include "analysis/bottleneck.h"

#include <functional>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "runs.h"

namespace wan {
namespace {

CaseSummary summary_of(const std::vector<RunRecord>& runs) { return summarise(group_runs(pointers_to(runs))[0]); }

CardPeak example_peak() {
  CardPeak peak;
  peak.match = "H100";
  peak.peak_clock_mhz = 1755;
  peak.bf16_tflops = 1000;
  return peak;
}

const BottleneckFinding* finding(const BottleneckReport& report, const std::string& rule) {
  for (const BottleneckFinding& f : report.findings) {
    if (f.rule == rule) return &f;
  }
  return nullptr;
}

/// Makes a leaf and the total longer.
void lengthen(RunRecord& run, const std::string& id, double seconds) {
  const auto ns = static_cast<int64_t>(seconds * 1e9);
  stage_of(run, id).wall_ns += ns;
  stage_of(run, "Total_Execution").wall_ns += ns;
}

void set_counters(RunRecord& run, double sm, double tensor, double dram) {
  for (StageRecord& stage : run.stages) {
    if (!computes_on_gpu(run, stage)) continue;
    stage.counters.sm_active = {sm, "", "nvml_gpm", 10, 1};
    stage.counters.tensor_active = {tensor, "", "nvml_gpm", 10, 1};
    stage.counters.dram_active = {dram, "", "nvml_gpm", 10, 1};
  }
}

void set_step_rate(RunRecord& run, double tflops) {
  for (StageRecord& stage : run.stages)
    if (stage.kind == StageKind::kLeaf && stage.role == StageRole::kStepInference)
      stage.flops = measured(tflops * 1e12 * static_cast<double>(stage.wall_ns) * 1e-9, "engine");
}

/// 216 s: 10 s of initialization (4.6 %), steps of 50 s, busy tensor cores, room on the card.
RunRecord healthy() {
  RunRecord run = synthetic_run({50, 50, 50, 50});
  set_counters(run, 99, 70, 30);
  set_step_rate(run, 600);
  stage_of(run, "VAE_Decoding").device_memory.process_peak_bytes = measured<uint64_t>(40ull << 30, "nvml");
  return run;
}

TEST(Bottleneck, ARunOfNoTimeHasNoShares) {
  CaseSummary none;
  EXPECT_TRUE(find_bottlenecks(none, nullptr).classes.empty());
  for (const double total : {0.0, -1.0}) {
    CaseSummary summary;
    summary.total_s.estimate = Estimate{total, 1, {}, {}, true};
    EXPECT_TRUE(find_bottlenecks(summary, nullptr).findings.empty());
    EXPECT_TRUE(find_bottlenecks(summary, nullptr).what_ifs.empty());
  }
}

TEST(Bottlenecks, AHealthyRecordTriggersNoRule) {
  const std::vector<RunRecord> runs{healthy()};
  const CardPeak peak = example_peak();
  for (const BottleneckFinding& found : find_bottlenecks(summary_of(runs), &peak).findings)
    ADD_FAILURE() << found.rule << ": " << found.message;
}

/// A change that makes one rule fire, and a like one that stays within its limit.
struct RuleCase {
  const char* rule;
  std::function<void(RunRecord&)> fire, keep_silent;
};

void PrintTo(const RuleCase& rule, std::ostream* out) { *out << rule.rule; }

void scale_step(RunRecord& run, int step, double factor) {
  const std::string id = fmt::format("Step_{}_Inference", step);
  lengthen(run, id, static_cast<double>(stage_of(run, id).wall_ns) * 1e-9 * (factor - 1));
}

void set_step_copies(RunRecord& run, double seconds) {
  stage_of(run, "Step_1_Inference").exposed_copy_ns = measured(static_cast<int64_t>(seconds * 1e9), "device_event");
}

void set_step_device_time(RunRecord& run, double seconds) {
  stage_of(run, "Step_1_Inference").gpu_ns = measured(static_cast<int64_t>(seconds * 1e9), "device_event");
}

void trace(RunRecord& run, int64_t gap_percent) {
  KernelTable table{"Step_*", 4, 100, gap_percent, {{KernelKind::kGemm, 1, 100 - gap_percent, 100 - gap_percent}},
                    {},       0, 0};
  run.kernels = KernelTrace{"cupti_activity", "", 0, {table}};
}

void hold_memory(RunRecord& run, uint64_t gib) {
  stage_of(run, "VAE_Decoding").device_memory.process_peak_bytes = measured<uint64_t>(gib << 30, "nvml");
}

void throttle(RunRecord& run, double percent) {
  stage_of(run, "Total_Execution").throttled_percent = measured(percent, "nvml");
}

void make_vae_memory_bound(RunRecord& run, double seconds) {
  lengthen(run, "VAE_Decoding", seconds);
  stage_of(run, "VAE_Decoding").counters.tensor_active.mean_percent = 10;
  stage_of(run, "VAE_Decoding").counters.dram_active.mean_percent = 80;
}

const RuleCase kRules[] = {
    {"overlapping_stages", [](RunRecord& run) { stage_of(run, "Total_Execution").wall_ns -= 1'000'000'000; },
     [](RunRecord&) {}},
    {"unattributed", [](RunRecord& run) { stage_of(run, "Total_Execution").wall_ns += 3'000'000'000; },
     [](RunRecord& run) { stage_of(run, "Total_Execution").wall_ns += 2'000'000'000; }},
    {"step_loading", [](RunRecord& run) { lengthen(run, "Step_2_Loading", 12); },
     [](RunRecord& run) { lengthen(run, "Step_2_Loading", 10); }},
    {"text_encoder_on_cpu",
     [](RunRecord& run) {
       run.workload.text_encoder_device = "cpu";
       lengthen(run, "T5_Encoding", 12);
     },
     [](RunRecord& run) { run.workload.text_encoder_device = "cpu"; }},
    {"initialization", [](RunRecord& run) { lengthen(run, "Model_Initialization", 50); },
     [](RunRecord& run) { lengthen(run, "Model_Initialization", 40); }},
    {"launch_gaps", [](RunRecord& run) { set_step_device_time(run, 38); },
     [](RunRecord& run) { set_step_device_time(run, 40); }},
    {"kernel_gaps", [](RunRecord& run) { trace(run, 6); }, [](RunRecord& run) { trace(run, 5); }},
    {"exposed_copies", [](RunRecord& run) { set_step_copies(run, 11); },
     [](RunRecord& run) { set_step_copies(run, 10); }},
    {"video_encoding", [](RunRecord& run) { lengthen(run, "Output_Encoding", 12); },
     [](RunRecord& run) { lengthen(run, "Output_Encoding", 10); }},
    {"memory_bound", [](RunRecord& run) { make_vae_memory_bound(run, 21); },
     [](RunRecord& run) { make_vae_memory_bound(run, 18); }},
    {"bimodal_steps",
     [](RunRecord& run) {
       scale_step(run, 2, 1.1);
       scale_step(run, 3, 1.1);
     },
     [](RunRecord&) {}},
    {"step_drift",
     [](RunRecord& run) {
       for (int step = 1; step < 4; ++step) scale_step(run, step, 1 + 0.01 * (step - 1));
     },
     [](RunRecord& run) {
       for (int step = 1; step < 4; ++step) scale_step(run, step, 1 + 0.002 * (step - 1));
     }},
    {"first_step", [](RunRecord& run) { scale_step(run, 0, 1.06); }, [](RunRecord& run) { scale_step(run, 0, 1.04); }},
    {"low_sm", [](RunRecord& run) { set_counters(run, 89, 70, 30); },
     [](RunRecord& run) {
       set_counters(run, 91, 70, 30);
       stage_of(run, "Step_0_Inference").counters.sm_active.mean_percent = 20;  // the warm-up step does not count
     }},
    {"elementwise", [](RunRecord& run) { set_counters(run, 99, 39, 39); },
     [](RunRecord& run) { set_counters(run, 99, 39, 41); }},
    {"low_mfu", [](RunRecord& run) { set_step_rate(run, 490); }, [](RunRecord& run) { set_step_rate(run, 510); }},
    {"fp32_weights", [](RunRecord& run) { run.workload.dtypes["dit"] = "fp32"; },
     [](RunRecord& run) {
       run.workload.dtypes["dit"] = "fp32";
       run.engine.device = "cpu";  // where bf16 is not faster
     }},
    {"throttled", [](RunRecord& run) { throttle(run, 1.5); }, [](RunRecord& run) { throttle(run, 1); }},
    {"memory_headroom", [](RunRecord& run) { hold_memory(run, 73); }, [](RunRecord& run) { hold_memory(run, 72); }},
};

class BottleneckRule : public ::testing::TestWithParam<RuleCase> {
 protected:
  static BottleneckReport report(const std::function<void(RunRecord&)>& change) {
    std::vector<RunRecord> runs{healthy()};
    change(runs[0]);
    const CardPeak peak = example_peak();
    return find_bottlenecks(summary_of(runs), &peak);
  }
};

TEST_P(BottleneckRule, FiresBeyondItsLimitAndSaysTheNumbers) {
  const BottleneckReport found = report(GetParam().fire);
  const BottleneckFinding* f = finding(found, GetParam().rule);
  ASSERT_NE(f, nullptr);
  EXPECT_FALSE(f->where.empty());
  EXPECT_FALSE(f->message.empty());
  EXPECT_FALSE(f->unit.empty());
  EXPECT_NE(f->value, f->limit);
}

TEST_P(BottleneckRule, IsSilentWithinItsLimit) {
  EXPECT_EQ(finding(report(GetParam().keep_silent), GetParam().rule), nullptr);
}

TEST_P(BottleneckRule, FiresAlone) {
  for (const BottleneckFinding& f : report(GetParam().fire).findings) EXPECT_EQ(f.rule, GetParam().rule) << f.message;
}

INSTANTIATE_TEST_SUITE_P(All, BottleneckRule, ::testing::ValuesIn(kRules),
                         [](const auto& rule) { return std::string(rule.param.rule); });

TEST(Bottlenecks, AnErrorFollowsAWarningWhenMoreIsUnattributed) {
  std::vector<RunRecord> runs{healthy()};
  stage_of(runs[0], "Total_Execution").wall_ns += 3'000'000'000;
  EXPECT_EQ(finding(find_bottlenecks(summary_of(runs), nullptr), "unattributed")->severity, Severity::kWarning);
  stage_of(runs[0], "Total_Execution").wall_ns += 10'000'000'000;
  EXPECT_EQ(finding(find_bottlenecks(summary_of(runs), nullptr), "unattributed")->severity, Severity::kError);
}

TEST(Bottlenecks, IdleTimeOfTheCardCountsAsAGapWhereEventsSeeNone) {
  std::vector<RunRecord> runs{healthy()};
  stage_of(runs[0], "Step_0_Inference").gpu_ns = measured<int64_t>(50'000'000'000, "device_event");
  stage_of(runs[0], "Step_0_Inference").counters.gpu_busy = {60, "", "nvml", 10, 1};
  stage_of(runs[0], "Step_0_Inference").exposed_copy_ns = measured<int64_t>(4'000'000'000, "device_event");
  const BottleneckReport report = find_bottlenecks(summary_of(runs), nullptr);
  const BottleneckFinding* gaps = finding(report, "launch_gaps");
  ASSERT_NE(gaps, nullptr);
  EXPECT_EQ(gaps->where, "Step_0_Inference");
  EXPECT_NEAR(*gaps->saving_s, 16, 1e-6);  // 40 % of 50 s less the copies that were waited for
}

TEST(Bottlenecks, OfSeveralRunsTheWorstIsNamedAndHowManyAreLikeIt) {
  std::vector<RunRecord> runs{healthy(), healthy(), healthy()};
  for (size_t i = 0; i < runs.size(); ++i) {
    runs[i].run_case.repeat = static_cast<int64_t>(i);
    scale_step(runs[i], 0, 1.2);  // must not hide what follows
  }
  for (int step = 1; step < 4; ++step) scale_step(runs[1], step, 1 + 0.01 * (step - 1));
  const BottleneckReport report = find_bottlenecks(summary_of(runs), nullptr);
  ASSERT_NE(finding(report, "first_step"), nullptr);
  const BottleneckFinding* drift = finding(report, "step_drift");
  ASSERT_NE(drift, nullptr);
  EXPECT_THAT(drift->message, ::testing::HasSubstr("in 1 of 3 runs"));
}

TEST(Bottlenecks, OnACpuTheTextEncoderIsWhereAllElseIs) {
  std::vector<RunRecord> runs{healthy()};
  runs[0].workload.text_encoder_device = "cpu";
  lengthen(runs[0], "T5_Encoding", 12);
  EXPECT_NE(finding(find_bottlenecks(summary_of(runs), nullptr), "text_encoder_on_cpu"), nullptr);
  runs[0].engine.device = "cpu";
  EXPECT_EQ(finding(find_bottlenecks(summary_of(runs), nullptr), "text_encoder_on_cpu"), nullptr);
}

TEST(Bottlenecks, AFirstStepBesidePageLockingSaysSo) {
  std::vector<RunRecord> runs{healthy()};
  scale_step(runs[0], 0, 1.2);
  EXPECT_THAT(finding(find_bottlenecks(summary_of(runs), nullptr), "first_step")->message,
              ::testing::Not(::testing::HasSubstr("page-locked")));
  StageRecord fill = leaf("Step_0_Inference/page_lock_and_fill", 5);
  fill.name = "page_lock_and_fill";
  fill.parent = "Step_0_Inference";
  fill.kind = StageKind::kHidden;
  runs[0].stages.push_back(fill);
  EXPECT_THAT(finding(find_bottlenecks(summary_of(runs), nullptr), "first_step")->message,
              ::testing::HasSubstr("page-locked"));
}

TEST(WhatIfs, TellWaitsBetweenStepsFromThoseWithinStages) {
  std::vector<RunRecord> runs{healthy()};
  lengthen(runs[0], "Step_2_Loading", 12);
  stage_of(runs[0], "T5_Encoding").exposed_copy_ns = measured<int64_t>(900'000'000, "device_event");
  set_step_copies(runs[0], 3);
  double between = 0, within = 0;
  std::string name;
  for (const WhatIf& change : find_bottlenecks(summary_of(runs), nullptr).what_ifs) {
    if (change.change == "no waiting for weights between steps") between = change.saved_s;
    if (change.change.starts_with("no waiting for copies within stages")) within = change.saved_s, name = change.change;
  }
  EXPECT_NEAR(between, 12, 1e-6);
  EXPECT_NEAR(within, 3.9, 1e-6);
  EXPECT_THAT(name, ::testing::HasSubstr("Step_1_Inference"));
}

TEST(Bottlenecks, ASlowdownCostsWhatSlowedStepsTakeBeyondTheOthers) {
  std::vector<RunRecord> runs{synthetic_run({60, 55, 55, 50, 50, 50, 50})};
  const auto slow = [&](int step, double percent) {
    stage_of(runs[0], fmt::format("Step_{}_Inference", step)).throttled_percent = measured(percent, "nvml");
  };
  for (int step = 0; step < 7; ++step) slow(step, step < 3 ? 90 : 0);
  throttle(runs[0], 40);
  const BottleneckReport early = find_bottlenecks(summary_of(runs), nullptr);
  EXPECT_NEAR(finding(early, "throttled")->saving_s.value_or(0), 10, 1e-6);  // the first step's 10 s have other causes
  EXPECT_THAT(finding(early, "throttled")->message, ::testing::HasSubstr("warm-up"));
  scale_step(runs[0], 6, 1.1);
  slow(6, 90);
  const BottleneckReport always = find_bottlenecks(summary_of(runs), nullptr);
  EXPECT_NEAR(finding(always, "throttled")->saving_s.value_or(0), 15, 1e-6);
  EXPECT_THAT(finding(always, "throttled")->message, ::testing::HasSubstr("cooling"));
  for (int step = 1; step < 7; ++step) slow(step, 90);  // nothing to compare with
  EXPECT_EQ(finding(find_bottlenecks(summary_of(runs), nullptr), "throttled")->saving_s, std::nullopt);
}

TEST(Bottlenecks, InitializationFromStorageIsTheDisks) {
  std::vector<RunRecord> runs{healthy()};
  lengthen(runs[0], "Model_Initialization", 90);
  EXPECT_THAT(finding(find_bottlenecks(summary_of(runs), nullptr), "initialization")->message,
              ::testing::HasSubstr("by the host"));
  stage_of(runs[0], "Model_Initialization").read_bytes = measured<uint64_t>(34'000'000'000, "proc");
  const BottleneckReport report = find_bottlenecks(summary_of(runs), nullptr);
  EXPECT_THAT(finding(report, "initialization")->message, ::testing::HasSubstr("from storage"));
  EXPECT_EQ(report.classes[1].what, TimeClass::kDisk);
  EXPECT_NEAR(report.classes[1].seconds, 100, 1e-6);
}

TEST(WhatIfs, FreeMemoryWhereWeightsAreInFp32) {
  std::vector<RunRecord> runs{healthy()};
  runs[0].workload.dtypes = {{"dit", "fp32"}, {"vae", "bf16"}};
  stage_of(runs[0], "Step_1_Inference").device_memory.component_bytes = {{"weights.dit", 20'000'000'000},
                                                                         {"weights.vae", 1'000'000'000}};
  const BottleneckReport report = find_bottlenecks(summary_of(runs), nullptr);
  const WhatIf& last = report.what_ifs.back();
  EXPECT_EQ(last.change, "weights in bf16 instead of fp32");
  EXPECT_NEAR(last.saved_bytes, 10e9, 1);
  EXPECT_EQ(last.saved_s, 0);
  runs[0].workload.dtypes["dit"] = "bf16";
  EXPECT_EQ(find_bottlenecks(summary_of(runs), nullptr).what_ifs.back().saved_bytes, 0);
}

TEST(Bottlenecks, ClassesAddUpToTheTotal) {
  const std::vector<RunRecord> runs{synthetic_run({2, 2, 2}, 0.5)};
  const BottleneckReport report = find_bottlenecks(summary_of(runs), nullptr);
  double sum = 0;
  for (const ClassShare& c : report.classes) sum += c.seconds;
  EXPECT_NEAR(sum, 22.5, 1e-6);
  EXPECT_EQ(report.classes[0].what, TimeClass::kGpuCompute);
  EXPECT_NEAR(report.classes[0].seconds, 11, 1e-6);
  EXPECT_NEAR(report.classes[0].speedup_bound, 22.5 / 11.5, 1e-6);
  const BottleneckFinding* rest = finding(report, "unattributed");
  ASSERT_NE(rest, nullptr);
  EXPECT_EQ(rest->severity, Severity::kWarning);
  EXPECT_NEAR(*rest->saving_s, 0.5, 1e-6);
}

TEST(Bottlenecks, NamesTheExpertSwapAndTheTextEncoderOnTheCpu) {
  std::vector<RunRecord> runs{synthetic_run({36, 36, 36})};
  stage_of(runs[0], "Step_2_Loading").wall_ns = 69'810'000'000;
  stage_of(runs[0], "Total_Execution").wall_ns += 69'810'000'000;
  stage_of(runs[0], "T5_Encoding").wall_ns += 15'000'000'000;
  stage_of(runs[0], "Total_Execution").wall_ns += 15'000'000'000;
  runs[0].workload.text_encoder_device = "cpu";
  const BottleneckReport report = find_bottlenecks(summary_of(runs), nullptr);
  const BottleneckFinding* swap = finding(report, "step_loading");
  ASSERT_NE(swap, nullptr);
  EXPECT_EQ(swap->where, "Step_2_Loading");
  EXPECT_NEAR(*swap->saving_s, 69.81, 1e-6);
  ASSERT_NE(finding(report, "text_encoder_on_cpu"), nullptr);
  ASSERT_FALSE(report.what_ifs.empty());
  EXPECT_EQ(report.what_ifs[0].change, "no waiting for weights between steps");
  const double total = 10 + 16 + 108 + 69.81 + 5;
  EXPECT_NEAR(report.what_ifs[0].speedup, total / (total - 69.81), 1e-6);
}

TEST(Bottlenecks, TakesHeadroomFromTheCardItself) {
  std::vector<RunRecord> runs{synthetic_run({2})};
  stage_of(runs[0], "VAE_Decoding").device_memory.process_peak_bytes = measured<uint64_t>(76ull << 30, "nvml");
  const BottleneckReport report = find_bottlenecks(summary_of(runs), nullptr);
  ASSERT_TRUE(report.headroom);
  EXPECT_NEAR(report.headroom->free_percent, 5, 1e-9);
  EXPECT_NE(finding(report, "memory_headroom"), nullptr);
  stage_of(runs[0], "VAE_Decoding").device_memory.process_peak_bytes = measured<uint64_t>(31ull << 30, "nvml");
  EXPECT_EQ(finding(find_bottlenecks(summary_of(runs), nullptr), "memory_headroom"), nullptr);
}

}  // namespace
}  // namespace wan
