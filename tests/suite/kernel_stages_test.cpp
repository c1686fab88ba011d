// Runs whose kernels are watched: what the engine's process says, when such runs are made, and that they never count.
#include "suite/kernel_stages.h"

#include <unistd.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "fixtures.h"
#include "pipeline/plan.h"
#include "results/store.h"
#include "suite/runner.h"
#include "temporary_folder.h"

namespace wan::suite {
namespace {

namespace fs = std::filesystem;

class Spans final : public NullObserver {
 public:
  void on_plan(const Plan& plan) override { task = plan.variant->task; }
  void on_clock(const ClockDrift& drift) override { residual_ns = drift.residual_ns; }
  void on_span(const StageSpan& span) override { spans.push_back(span); }
  void on_begin(const StageId&, int) override { ++begins; }
  void on_memory(const MemoryMark&) override { ++marks; }
  void on_fact(const std::string& key, const std::string&) override { keys.push_back(key); }
  std::vector<StageSpan> spans;
  std::vector<std::string> keys;
  std::string task;
  int64_t residual_ns = 0;
  int begins = 0, marks = 0;
};

TEST(KernelStages, PassesOnAllItHears) {
  Spans heard;
  KernelStages stages(heard);
  stages.on_begin({StageRole::kStepLoading, 0}, 2);
  stages.on_span({{StageRole::kStepLoading, 0}, "", false, 10, 20});
  stages.on_span({{StageRole::kStepInference, 0}, "", false, 20, 90});
  stages.on_span({{StageRole::kStepInference, 0}, "cond", false, 20, 50});
  stages.on_memory({});
  Plan plan;
  plan.variant = &variant_named("t2v-A14B");
  stages.on_plan(plan);
  stages.on_clock({-7, 1});
  stages.on_fact("libraries", "oneDNN");
  EXPECT_EQ(heard.spans.size(), 3u);
  EXPECT_EQ(heard.begins, 1);
  EXPECT_EQ(heard.marks, 1);
  EXPECT_THAT(heard.keys, ::testing::ElementsAre("libraries"));
  EXPECT_EQ(heard.task, "t2v");
  EXPECT_EQ(heard.residual_ns, -7);
}

TEST(KernelStages, SaysWhyThereIsNothingInsteadOfEmptyTables) {
  Spans heard;
  KernelStages stages(heard);
  stages.on_span({{StageRole::kVaeDecoding, -1}, "", false, 10, 20});
  const KernelTrace trace = stages.take();
  EXPECT_TRUE(trace.tables.empty());
  EXPECT_NE(trace.reason, "");
}

class TracedRuns : public ::testing::Test {
 protected:
  TracedRuns() {
    suite_ = test::small_suite();
    suite_.cases[0].request.device = suite_.cases[2].request.device = "cuda:0";
  }

  SuiteOutcome run(const std::string& mode, IfStored if_stored = IfStored::kRefuse) {
    RunOptions options = test::options(folder_, WAN_FAKE_ENGINE, mode, 1);
    options.kernels = kernels_;
    options.if_stored = if_stored;
    return run_suite(suite_, test::planned(suite_), options, gpus_, display_);
  }

  WatchKernels kernels_ = WatchKernels::kYes;
  const wan::test::TemporaryFolder temporary_;
  const fs::path folder_ = temporary_ / "results";
  Suite suite_;
  test::Silent display_;
  measure::GpuSet gpus_;
};

TEST_F(TracedRuns, FollowAllOthersForCasesOnACardAndDoNotCount) {
  const SuiteOutcome outcome = run("ok");
  ASSERT_EQ(outcome.records.size(), 5u) << "three cases, two of them on a card";
  for (size_t i = 0; i < 3; ++i) {
    EXPECT_FALSE(outcome.records[i].kernels);
    EXPECT_EQ(test::flag_of(outcome.records[i], kTracedFlag), nullptr);
  }
  const RunRecord& traced = outcome.records[3];
  EXPECT_EQ(traced.run_case.name, "one");
  EXPECT_EQ(outcome.records[4].run_case.name, "three");
  ASSERT_TRUE(traced.kernels);
  ASSERT_EQ(traced.kernels->tables.size(), 1u);
  EXPECT_EQ(traced.kernels->tables[0].gap_ns, 10);
  ASSERT_NE(test::flag_of(traced, kTracedFlag), nullptr);
  EXPECT_TRUE(test::flag_of(traced, kTracedFlag)->excludes);
  const fs::path file = folder_ / "records" / record_file_name(traced);
  const auto events = load_kernel_events(file, traced);
  ASSERT_TRUE(events);
  EXPECT_EQ(events->stages, "Step_1");
  ASSERT_EQ(events->device.size(), 1u);
  EXPECT_EQ(events->device[0].begin_ns, 500) << "from the start of the total";
  if (traced.samples) {
    EXPECT_NE(traced.samples->file, outcome.records[0].samples->file);
  }
  EXPECT_EQ(traced.output.file, "");
  EXPECT_THAT(display_.notes, ::testing::Contains("two: no kernels to watch, it runs on the CPU"));
}

TEST_F(TracedRuns, KeepTheWholeRunWhenAsked) {
  kernels_ = WatchKernels::kAll;
  const SuiteOutcome outcome = run("ok");
  ASSERT_EQ(outcome.records.size(), 5u);
  const auto events =
      load_kernel_events(folder_ / "records" / record_file_name(outcome.records[3]), outcome.records[3]);
  ASSERT_TRUE(events);
  EXPECT_EQ(events->stages, kAllStages);
}

TEST_F(TracedRuns, AreResumedOnTheirOwn) {
  ASSERT_EQ(run("ok").records.size(), 5u);
  for (const StoredRecord& stored : load_collection(folder_).records)
    if (stored.record.kernels && stored.record.run_case.name == "one") fs::remove(stored.file);
  const SuiteOutcome outcome = run("ok", IfStored::kResume);
  EXPECT_EQ(outcome.ok, 1);
  EXPECT_EQ(outcome.skipped, 3);
  EXPECT_EQ(outcome.records.size(), 5u);
  EXPECT_TRUE(outcome.records[0].kernels) << "the one that was missing";
}

TEST_F(TracedRuns, ThatFailSaySo) {
  const SuiteOutcome outcome = run("oom");
  ASSERT_EQ(outcome.records.size(), 5u);
  ASSERT_TRUE(outcome.records[3].kernels);
  EXPECT_EQ(outcome.records[3].kernels->reason, "the run ended before its kernels were said");
}

}  // namespace
}  // namespace wan::suite
