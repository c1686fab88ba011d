// What a measured program may say over the pipe, and what becomes of it: nothing it says costs more than its own run.
#include <fstream>
#include <limits>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/clock.h"
#include "fixtures.h"
#include "measure/proc.h"
#include "results/store.h"
#include "suite/runner.h"
#include "temporary_folder.h"

namespace wan::suite {
namespace {

namespace fs = std::filesystem;
using test::flag_of;
using ::testing::HasSubstr;

constexpr int64_t kSecond = 1'000'000'000;
constexpr int64_t kMost = std::numeric_limits<int64_t>::max(), kLeast = std::numeric_limits<int64_t>::min();

std::string span(const std::string& stage, int64_t begin_ns, int64_t end_ns) {
  return fmt::format(R"({{"type":"span","stage":"{}","index":-1,"component":"","hidden":false,"begin_ns":{},)"
                     R"("end_ns":{},"bytes":0,"flops":0}})",
                     stage, begin_ns, end_ns);
}

class ForeignProgram : public ::testing::Test {
 protected:
  /// The records of one case made by `command`.
  std::vector<RunRecord> run(const std::string& command) {
    Suite suite = test::small_suite();
    suite.cases.resize(1);
    RunOptions options;
    options.output = temporary_ / fmt::format("results{}", ++runs_);
    options.command = {"sh", "-c", command};
    options.timeout = {60};
    test::Silent display;
    measure::GpuSet gpus;
    run_suite(suite, test::planned(suite), options, gpus, display);
    std::vector<RunRecord> records;
    for (StoredRecord& stored : load_collection(options.output).records) records.push_back(std::move(stored.record));
    return records;
  }

  /// The one record of a program that says these lines.
  RunRecord saying(const std::vector<std::string>& lines) {
    const fs::path file = temporary_ / "lines.txt";
    std::ofstream text(file);
    for (const std::string& line : lines) text << line << "\n";
    text.close();
    std::vector<RunRecord> records = run("sleep 0.05; cat " + file.string() + " >&3");
    EXPECT_EQ(records.size(), 1u);
    return records.empty() ? RunRecord{} : std::move(records.front());
  }

  wan::test::TemporaryFolder temporary_;
  int runs_ = 0;
};

TEST_F(ForeignProgram, ASpanOutsideItsRunIsNoStageOfIt) {
  const int64_t now = monotonic_ns();
  for (const auto& [begin_ns, end_ns] : {std::pair{kLeast, kMost},
                                         {int64_t{1'000'000'000'000}, 2 * int64_t{1'000'000'000'000'000'000}},
                                         {0 * now, now},
                                         {now - 3600 * kSecond, now - 3599 * kSecond},
                                         {now + 3600 * kSecond, now + 3601 * kSecond},
                                         {now, now - 1},
                                         {now, kMost}}) {
    const RunRecord record = saying({span("bad", begin_ns, end_ns)});
    EXPECT_EQ(record.status, RunStatus::kOk);
    EXPECT_EQ(find_stage(record, "bad"), nullptr) << begin_ns << " " << end_ns;
    for (const StageRecord& stage : record.stages) {
      EXPECT_GE(stage.wall_ns, 0);
      EXPECT_LT(stage.wall_ns, 60 * kSecond);
    }
    const ValidityFlag* outside = flag_of(record, "times_outside_the_run");
    const ValidityFlag* unreadable = flag_of(record, "pipe_unreadable");
    ASSERT_TRUE(outside != nullptr || unreadable != nullptr) << begin_ns << " " << end_ns;
    if (outside == nullptr) continue;
    EXPECT_THAT(outside->detail, HasSubstr("the first is 'bad'"));
    EXPECT_NE(reason_not_counted(record), "");
  }
}

TEST_F(ForeignProgram, ASpanInsideItsRunIsAStageOfIt) {
  const RunRecord record = saying({span("good", monotonic_ns(), monotonic_ns() + kSecond / 50)});
  ASSERT_NE(find_stage(record, "good"), nullptr);
  EXPECT_TRUE(record.validity.empty() || flag_of(record, "times_outside_the_run") == nullptr);
}

TEST_F(ForeignProgram, CountersFromNowhereAreNoReadings) {
  for (const int64_t seen : {kLeast, kMost, int64_t{0}, int64_t{1} << 60}) {
    const RunRecord record =
        saying({fmt::format(R"({{"type":"counters","seen_ns":{},"samples":[[1,2,0.5,null,0.1]]}})", seen)});
    EXPECT_EQ(record.status, RunStatus::kOk);
    EXPECT_FALSE(total_stage(record)->counters.sm_active.mean_percent);
  }
}

TEST_F(ForeignProgram, OneThatIsStoppedForAWhileDoesNotCount) {
  const std::vector<RunRecord> records = run("(sleep 1; kill -CONT $$) & kill -STOP $$; wait");
  ASSERT_EQ(records.size(), 1u);
  EXPECT_EQ(records[0].status, RunStatus::kOk);
  ASSERT_NE(flag_of(records[0], "stopped_process"), nullptr);
  EXPECT_TRUE(flag_of(records[0], "stopped_process")->excludes);
}

TEST_F(ForeignProgram, MakesOneVideoHoweverManyItAnnounces) {
  std::vector<std::string> lines;
  for (int i = 1; i <= 50; ++i)
    lines.push_back(fmt::format(R"({{"type":"next_video","index":{},"own":{{"at_ns":{}}}}})", i, monotonic_ns()));
  const RunRecord record = saying(lines);
  ASSERT_NE(flag_of(record, "pipe_overrun"), nullptr);
  EXPECT_THAT(flag_of(record, "pipe_overrun")->detail, HasSubstr("50 videos more than were asked for"));
  EXPECT_TRUE(flag_of(record, "pipe_overrun")->excludes);
}

TEST_F(ForeignProgram, ALineThatCannotBeReadIsNamedAndTheOthersAreTaken) {
  const RunRecord record =
      saying({"[", R"({"type":"fact","key":"a","value":5})", R"({"type":"fact","key":"b","value":"c"})"});
  EXPECT_EQ(record.engine.facts.at("b"), "c");
  ASSERT_NE(flag_of(record, "pipe_unreadable"), nullptr);
  EXPECT_FALSE(flag_of(record, "pipe_unreadable")->excludes);
}

TEST_F(ForeignProgram, APipeWithoutAnEndOfLineTakesNoMemory) {
  measure::read_own_and_reset_peak();
  const measure::MemoryReading before = measure::read_own_and_reset_peak().memory;
  const std::vector<RunRecord> records = run("head -c 300000000 /dev/zero >&3");
  const measure::MemoryReading after = measure::read_own_and_reset_peak().memory;
  ASSERT_EQ(records.size(), 1u);
  ASSERT_NE(flag_of(records[0], "pipe_overrun"), nullptr);
  EXPECT_THAT(flag_of(records[0], "pipe_overrun")->detail, HasSubstr("1 lines of more than 1048576 bytes"));
  if (before.high_water == 0) GTEST_SKIP() << "the kernel does not reset the peak here";
  if (WAN_SANITIZED) GTEST_SKIP() << "a sanitizer keeps what was freed for a while";
  EXPECT_LT(after.high_water, before.high_water + (uint64_t{64} << 20));
}

}  // namespace
}  // namespace wan::suite
