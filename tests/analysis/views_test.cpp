// What the report draws: thinned series, the memory waterfall, the roofline, kernels.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "analysis/kernels.h"
#include "analysis/memory.h"
#include "analysis/repeat_command.h"
#include "analysis/roofline.h"
#include "analysis/series.h"
#include "runs.h"

namespace wan {
namespace {

TEST(Series, OfEachPieceTheSmallestAndTheLargestStayInTheirOrder) {
  SampleSeries series{"a", {}, {}, {}};
  for (int64_t i = 0; i < 1'000'000; ++i) {
    series.begin_ns.push_back(10 * i);
    series.end_ns.push_back(10 * i + 10);
    series.values.push_back(double(i % 7));
  }
  series.values[123'456] = 1e9;
  series.values[123'457] = -1e9;
  series.values[999'999] = 77;
  const SampleSeries kept = extremes_of(series, 10'000);
  EXPECT_LE(kept.values.size(), 10'000u);
  EXPECT_GE(kept.values.size(), 9'000u);
  EXPECT_TRUE(std::is_sorted(kept.begin_ns.begin(), kept.begin_ns.end()));
  for (size_t i = 0; i < kept.values.size(); ++i) {
    const auto at = static_cast<size_t>(kept.begin_ns[i] / 10);
    ASSERT_EQ(kept.values[i], series.values[at]) << "a reading that was there";
    ASSERT_EQ(kept.end_ns[i], series.end_ns[at]);
  }
  for (const double peak : {1e9, -1e9, 77.0})
    EXPECT_EQ(std::count(kept.values.begin(), kept.values.end(), peak), 1) << peak;
}

TEST(Series, AShortOneStaysAndAnEvenOneKeepsAReadingAPiece) {
  const SampleSeries series{"a", {0, 1, 2, 3, 4}, {1, 2, 3, 4, 5}, {5, 5, 5, 5, 5}};
  EXPECT_EQ(extremes_of(series, 5), series);
  EXPECT_EQ(extremes_of(series, 4).begin_ns, (std::vector<int64_t>{0, 3}));
  EXPECT_EQ(extremes_of({"a", {0, 1, 2}, {1, 2, 3}, {3, 1, 2}}, 2).values, (std::vector<double>{3, 1}));
}

TEST(Thinned, KeepsTimesAndMeans) {
  const SampleSeries series{"x", {0, 10, 20, 30, 40}, {10, 20, 30, 40, 50}, {1, 3, 5, 7, 9}};
  EXPECT_EQ(thinned(series, 5), series);
  const SampleSeries expected{"x", {0, 20, 40}, {20, 40, 50}, {2, 6, 9}};
  EXPECT_EQ(thinned(series, 3), expected);
  EXPECT_EQ(thinned(series, 1).values, (std::vector<double>{5}));
}

TEST(MemoryWaterfall, StacksTheFullestStageAndNamesTheRest) {
  RunRecord run = synthetic_run({2, 2});
  StageRecord& step = stage_of(run, "Step_1_Inference");
  step.device_memory.process_peak_bytes = measured<uint64_t>(100, "nvml");
  step.device_memory.component_bytes = {{"activations", 20}, {"weights", 50}};
  stage_of(run, "VAE_Decoding").device_memory.component_bytes = {{"activations", 90}};
  const MemoryWaterfall memory = memory_waterfall(run);
  EXPECT_EQ(memory.stage, "Step_1_Inference");
  ASSERT_EQ(memory.parts.size(), 3u);
  EXPECT_EQ(memory.parts[0].name, "weights");
  EXPECT_EQ(memory.parts[1].begin_bytes, 50);
  EXPECT_EQ(memory.parts[2].bytes, 30);
  EXPECT_EQ(memory.parts[2].name, "context and libraries");
  EXPECT_EQ(memory.parts[2].begin_bytes + memory.parts[2].bytes, *memory.peak_bytes);
  step.device_memory.pool_peak_bytes = measured<uint64_t>(82, "engine");
  const std::vector<MemoryPart> parts = memory_waterfall(run).parts;
  ASSERT_EQ(parts.size(), 4u);
  EXPECT_EQ(parts[2].name, "other allocations and slack");
  EXPECT_EQ(parts[2].bytes, 12);
  EXPECT_EQ(parts[3].begin_bytes, 82);
  EXPECT_EQ(parts[3].bytes, 18);
  EXPECT_FALSE(memory_waterfall(synthetic_run({2})).reason.empty());
}

TEST(Roofline, PlacesSteadyStepsByTrafficAndPeak) {
  RunRecord run = synthetic_run({3, 2, 2});
  for (StageRecord& stage : run.stages) {
    if (stage.role != StageRole::kStepInference || stage.kind != StageKind::kLeaf) continue;
    stage.flops = measured(800e12, "engine");
    stage.counters.dram_active = {50, "", "nvml_gpm", 20, 1.0};
    stage.sm_clock_mhz = measured(Spread{1000, 1000, 1000}, "nvml");
  }
  CardPeak peak;
  peak.peak_clock_mhz = 2000;
  peak.bf16_tflops = 1000;
  peak.memory_bandwidth_gb_per_s = 2000;
  const auto groups = group_runs({&run});
  const CaseSummary summary = summarise(groups[0]);
  const Roofline roof = roofline(summary, &peak);
  ASSERT_EQ(roof.points.size(), 2u);
  EXPECT_EQ(roof.points[0].name, "Steady steps");
  EXPECT_NEAR(roof.points[0].tflops, 400, 1e-9);
  // 1600e12 operations in 4 s at half of 2 TB/s: 4e12 bytes.
  EXPECT_NEAR(*roof.points[0].flops_per_byte, 400, 1e-9);
  EXPECT_NEAR(roof.points[0].mfu->at_peak_percent, 40, 1e-9);
  EXPECT_NEAR(*roof.points[0].mfu->at_clock_percent, 80, 1e-9);
  EXPECT_NEAR(*roof.peak_tflops_at_clock, 500, 1e-9);
  EXPECT_NEAR(*roof.ridge_flops_per_byte, 500, 1e-9);
  EXPECT_EQ(roof.points[1].name, "First step");
  EXPECT_FALSE(roofline(summary, nullptr).reason.empty());
  EXPECT_FALSE(roofline(summary, nullptr).points[0].flops_per_byte);
}

TEST(Roofline, OfACardLeavesOutWhatTheHostComputes) {
  RunRecord run = synthetic_run({2, 2});
  stage_of(run, "T5_Encoding").flops = measured(1e12, "engine");
  stage_of(run, "VAE_Decoding").flops = measured(1e14, "engine");
  EXPECT_EQ(roofline(summarise(group_runs({&run})[0]), nullptr).points.size(), 2u);
  run.workload.text_encoder_device = "cpu";
  const Roofline roof = roofline(summarise(group_runs({&run})[0]), nullptr);
  ASSERT_EQ(roof.points.size(), 1u);
  EXPECT_EQ(roof.points[0].name, "VAE decoding");
}

TEST(RepeatCommand, SaysWhatTheRecordsKnow) {
  std::vector<RunRecord> runs{synthetic_run({2}), synthetic_run({2}, 0, 1), synthetic_run({2}, 0, 0)};
  runs[2].run_case.warmup = true;
  for (RunRecord& run : runs) {
    run.run_case.suite = "seed";
    run.workload.weights.emplace_back().digest_kind = "sha256";
    run.output.file = "videos/case.mp4";
  }
  const auto command = [&] { return repeat_command(summarise(group_runs(pointers_to(runs))[0])); };
  EXPECT_EQ(command(),
            "wanbench run --suite suites/seed.json --case case --checkpoint CHECKPOINT --device cuda --precision bf16 "
            "--repeats 2 --warmups 1 --output NEW_FOLDER");
  for (RunRecord& run : runs) {  // as published: without the file's name, with its size
    run.output.file.clear();
    run.output.size_bytes = measured<uint64_t>(1, "engine");
  }
  EXPECT_THAT(command(), testing::Not(testing::HasSubstr("--no-video")));
  runs[1].kernels = KernelTrace{};
  EXPECT_THAT(command(), testing::HasSubstr("--repeats 1 --warmups 1 --trace-kernels --output"));
  runs[1].kernels.reset();
  for (RunRecord& run : runs) {
    run.output = {};
    run.run_case.name = "it's";
    run.workload.weights[0].digest_kind = "random";
    run.workload.model = "ti2v-5B";
    run.workload.scope = RunScope::kWarm;
    run.workload.page_cache = PageCache::kEvicted;
    run.output.file.clear();
  }
  EXPECT_EQ(command(),
            "wanbench run --suite suites/seed.json --case 'it'\\''s' --weights random --model ti2v-5B --device cuda "
            "--precision bf16 --repeats 0 --warm-repeats 2 --page-cache evict --no-video --output NEW_FOLDER");
  for (RunRecord& run : runs) run.engine.facts["warm_up_steps"] = "2; rm";  // a record may come from anywhere
  EXPECT_THAT(command(), testing::HasSubstr(" --warm-repeats 2 --warm-up-steps '2; rm' "));
  Execution limited;
  limited.gpu_memory_limit_bytes = uint64_t{12} << 30;
  for (RunRecord& run : runs) run.execution = measured(limited, "engine");
  EXPECT_THAT(command(), testing::HasSubstr(" --precision bf16 --gpu-memory-limit 12GiB --repeats 0 "));
  for (RunRecord& run : runs) run.engine.kind = EngineKind::kImported;
  EXPECT_EQ(command(), "");
}

KernelTrace example_trace() {
  return {"cupti_activity",
          "",
          2,
          {{"Step_*",
            3,
            4'000'000'000,
            400'000'000,
            {{KernelKind::kCopy, 5, 900'000'000, 100'000'000},
             {KernelKind::kGemm, 100, 2'000'000'000, 2'000'000'000},
             {KernelKind::kAttention, 50, 1'500'000'000, 1'500'000'000}},
            {{"nvjet", KernelKind::kGemm, 100, 2'000'000'000}},
            150,
            2'400'000'000}}};
}

TEST(Kernels, AreSharesOfTheStagesThatAddUp) {
  const auto views = kernel_views(example_trace());
  ASSERT_EQ(views.size(), 1u);
  EXPECT_EQ(views[0].stages, kAllSteps);
  double sum = 0;
  for (const KindShare& kind : views[0].kinds) sum += kind.share;
  EXPECT_NEAR(sum, 1, 1e-12);
  ASSERT_EQ(views[0].kinds.size(), 4u);
  EXPECT_EQ(views[0].kinds[0].name, "GEMM");
  EXPECT_NEAR(views[0].kinds[0].share, 0.5, 1e-12);
  EXPECT_EQ(views[0].kinds[2].name, "copies");
  EXPECT_NEAR(views[0].kinds[2].seconds, 0.1, 1e-12);
  EXPECT_NEAR(views[0].kinds[2].total_seconds, 0.9, 1e-12);
  EXPECT_EQ(views[0].kinds.back().name, "gaps");
  ASSERT_EQ(views[0].kernels.size(), 1u);
  EXPECT_NEAR(views[0].kernels[0].mean_us, 20'000, 1e-9);
  ASSERT_TRUE(views[0].unlisted);
  EXPECT_NEAR(views[0].unlisted->share, 0.6, 1e-12);
}

TEST(Kernels, ComeFromTheTracedRunWhichDoesNotCount) {
  std::vector<RunRecord> runs{synthetic_run({2, 2}), synthetic_run({4, 4})};
  EXPECT_FALSE(traced_run(summarise(group_runs(pointers_to(runs))[0])));
  runs[1].kernels = example_trace();
  runs[1].validity = {{"traced", "", "", true}};
  const CaseSummary summary = summarise(group_runs(pointers_to(runs))[0]);
  EXPECT_EQ(summary.selection.used.size(), 1u);
  const auto traced = traced_run(summary);
  ASSERT_TRUE(traced);
  EXPECT_EQ(traced->run, &runs[1]);
  EXPECT_EQ(traced->lost, 2);
  EXPECT_EQ(traced->views.size(), 1u);
  EXPECT_NEAR(*traced->slowdown, 4.0 / 2.0, 1e-12);
  const CaseSummary alone = summarise(group_runs({&runs[1]})[0]);
  EXPECT_FALSE(traced_run(alone)->slowdown) << "no run that counts to set it against";
}

TEST(Kernels, OfALaterTraceThatWasRefusedDoNotReplaceThoseOfAnEarlierOne) {
  std::vector<RunRecord> runs{synthetic_run({4, 4}), synthetic_run({4, 4})};
  runs[0].kernels = example_trace();
  runs[1].kernels = KernelTrace{"", "the driver refused", 0, {}};
  EXPECT_EQ(traced_run(summarise(group_runs(pointers_to(runs))[0]))->run, &runs[0]);
}

TEST(Kernels, ARunThatCountsIsNotSetAgainstItself) {
  std::vector<RunRecord> runs{synthetic_run({4, 4})};
  runs[0].kernels = example_trace();
  const CaseSummary summary = summarise(group_runs(pointers_to(runs))[0]);
  ASSERT_EQ(summary.selection.used.size(), 1u);
  EXPECT_FALSE(traced_run(summary)->slowdown);
}

}  // namespace
}  // namespace wan
