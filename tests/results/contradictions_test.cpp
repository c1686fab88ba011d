#include "results/contradictions.h"

#include <functional>
#include <limits>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "example.h"
#include "results/json.h"

namespace wan {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr int64_t kSecond = 1'000'000'000;

RunRecord run() {
  RunRecord record;
  record.status = RunStatus::kOk;
  StageRecord leaf, total;
  leaf.id = leaf.name = "Work";
  leaf.wall_ns = 3 * kSecond;
  leaf.begin_ns = measured<int64_t>(kSecond, "clock");
  total.id = total.name = "Total_Execution";
  total.kind = StageKind::kParent;
  total.wall_ns = 5 * kSecond;
  record.stages = {leaf, total};
  return record;
}

TEST(Contradictions, ARecordThatCanBeHasNone) {
  EXPECT_THAT(contradictions(run()), IsEmpty());
  EXPECT_EQ(reason_not_counted(run()), "");
  EXPECT_THAT(contradictions(example_record()), IsEmpty());
}

struct Wrong {
  const char* what;
  std::function<void(RunRecord&)> make;
};

TEST(Contradictions, EachIsNamedAndCostsTheRunItsCount) {
  const std::vector<Wrong> wrongs = {
      {"stage 'Work' took -5 ns", [](RunRecord& r) { r.stages[0].wall_ns = -5; }},
      {"stage 'Total_Execution' took -1 ns", [](RunRecord& r) { r.stages[1].wall_ns = -1; }},
      {"Total_Execution took no time", [](RunRecord& r) { r.stages[1].wall_ns = 0; }},
      {"longer than the run", [](RunRecord& r) { r.stages[0].wall_ns = int64_t{1} << 60; }},
      {"begins at", [](RunRecord& r) { r.stages[0].begin_ns = measured<int64_t>(100 * kSecond, "clock"); }},
      {"begins at", [](RunRecord& r) { r.stages[0].begin_ns = measured<int64_t>(-100 * kSecond, "clock"); }},
      {"2 totals", [](RunRecord& r) { r.stages[0].kind = StageKind::kParent; }},
      {"two stages are called", [](RunRecord& r) { r.stages[0].id = r.stages[1].id; }},
      {"sums up 0 spans", [](RunRecord& r) { r.stages[0].count = 0; }},
      {"gpu_ns of -1", [](RunRecord& r) { r.stages[0].gpu_ns = measured<int64_t>(-1, "device_event"); }},
      {"exposed_copy_ns", [](RunRecord& r) { r.stages[0].exposed_copy_ns = measured<int64_t>(-1, "device_event"); }},
      {"cpu_core_ns", [](RunRecord& r) { r.stages[1].cpu_core_ns = measured<int64_t>(-1, "proc"); }},
      {"energy_j of -0.5", [](RunRecord& r) { r.stages[1].energy_j = measured(-0.5, "nvml"); }},
      {"a counter of -1 %", [](RunRecord& r) { r.stages[0].counters.dram_active.mean_percent = -1; }},
      {"its steps are -3", [](RunRecord& r) { r.workload.steps = -3; }},
      {"its width are 0", [](RunRecord& r) { r.workload.width = 0; }},
      {"it is repeat -1", [](RunRecord& r) { r.run_case.repeat = -1; }},
  };
  for (const Wrong& wrong : wrongs) {
    RunRecord record = run();
    wrong.make(record);
    EXPECT_THAT(contradictions(record), ::testing::Contains(HasSubstr(wrong.what))) << wrong.what;
    EXPECT_THAT(reason_not_counted(record), HasSubstr(wrong.what));
    EXPECT_THAT(reason_not_counted(record), ::testing::StartsWith("contradicts itself: "));
  }
}

TEST(Contradictions, WorkThatIsHiddenMayHaveBegunBefore) {
  RunRecord record = run();
  record.stages[0].kind = StageKind::kHidden;
  record.stages[0].begin_ns = measured<int64_t>(-100 * kSecond, "clock");
  EXPECT_THAT(contradictions(record), IsEmpty());
}

/// Its source may print stages that add up to anything; the import says so in its findings.
TEST(Contradictions, AnImportedStageMayBeLongerThanItsTotal) {
  RunRecord record = run();
  record.engine.kind = EngineKind::kImported;
  record.stages[0].wall_ns = 100 * kSecond;
  EXPECT_THAT(contradictions(record), IsEmpty());
  record.stages[0].wall_ns = -1;
  EXPECT_EQ(contradictions(record).size(), 1u);
}

TEST(Contradictions, NoMoreThanTenAreListed) {
  RunRecord record = run();
  record.stages.insert(record.stages.end(), 1000, record.stages[0]);
  EXPECT_EQ(contradictions(record).size(), 10u);
}

/// Sums and differences of two times must not overflow, so that a record's times are bounded where it is read.
TEST(Contradictions, ATimeThatNoRunCanHaveIsRefusedInReading) {
  for (const int64_t ns : {(int64_t{1} << 61) + 1, std::numeric_limits<int64_t>::max(), -(int64_t{1} << 61) - 1,
                           std::numeric_limits<int64_t>::min()}) {
    RunRecord record = example_record();
    record.stages[0].wall_ns = ns;
    EXPECT_THROW(record_from_json(to_json(record), "r.json"), Error) << ns;
    record.stages[0].wall_ns = 1;
    record.clock.origin_monotonic_ns = ns;
    EXPECT_THROW(record_from_json(to_json(record), "r.json"), Error) << ns;
  }
}

}  // namespace
}  // namespace wan
