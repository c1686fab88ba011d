// Storing, listing, the lock, the index and CSV, in a folder of the test's own.
#include "results/store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <optional>

#include "base/error.h"
#include "base/file.h"
#include "example.h"
#include "results/folder_lock.h"
#include "results/history.h"
#include "results/json.h"
#include "temporary_folder.h"

namespace wan {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

class StoreTest : public ::testing::Test {
 protected:
  /// A run that differs from the example in the named ways.
  static RunRecord run(const std::string& case_name, const std::string& utc, RunStatus status = RunStatus::kOk) {
    RunRecord record = example_record();
    record.run_case.name = case_name;
    record.created_utc = utc;
    record.status = status;
    return record;
  }
  const test::TemporaryFolder folder_;
};

TEST_F(StoreTest, ATracedRunHasANameOfItsOwn) {
  RunRecord record = run("01", "2026-01-01T00:00:00.000Z");
  record.kernels.reset();
  EXPECT_EQ(run_file_stem(record), "01.warm.r3.A");
  record.kernels = KernelTrace{};
  EXPECT_EQ(run_file_stem(record), "01.warm.r3.A.traced");
}

TEST_F(StoreTest, WritesOneFileARunAndReadsItBack) {
  RunRecord record = run("01 Speed/480p", "2026-01-01T00:00:00.000Z");
  const fs::path file = store_record(folder_ / "records", record);
  EXPECT_EQ(file.filename().string(), "01_Speed_480p.warm.r3.A.traced." + record.id + ".run.json");
  EXPECT_EQ(load_record(file).run_case, record.run_case);
  EXPECT_EQ(std::distance(fs::directory_iterator(folder_ / "records"), {}), 1) << "a temporary file was left behind";
}

TEST_F(StoreTest, ListsByTimeAndReportsDamagedFiles) {
  RunRecord late = run("b", "2026-01-02T00:00:00.000Z");
  RunRecord early = run("a", "2026-01-01T00:00:00.000Z");
  store_record(folder_, late);
  const fs::path file = store_record(folder_ / "deeper", early);
  fs::copy_file(file, folder_ / "copy.run.json");
  std::ofstream(folder_ / "torn.run.json") << read_text(file).substr(0, 100);
  std::ofstream(folder_ / "other.json") << "not a record, and not named like one";

  const Collection found = load_collection(folder_);
  ASSERT_EQ(found.records.size(), 2u) << "a copy of a record is the same run";
  EXPECT_EQ(found.records[0].record.run_case.name, "a");
  EXPECT_EQ(found.records[1].record.run_case.name, "b");
  ASSERT_EQ(found.damaged.size(), 1u);
  EXPECT_THAT(found.damaged[0].message, HasSubstr("torn.run.json"));
  EXPECT_THROW(load_collection(folder_ / "nowhere"), Error);
}

TEST_F(StoreTest, AFolderIsHeldByOneRunAndFreeAfterIt) {
  std::optional<FolderLock> first(folder_);
  try {
    const FolderLock second(folder_);
    ADD_FAILURE() << "two runs in one folder";
  } catch (const Error& problem) {
    EXPECT_EQ(problem.kind(), ErrorKind::kUsage);
    EXPECT_THAT(problem.what(), HasSubstr("another wanbench is running in this folder"));
    EXPECT_THAT(problem.what(), HasSubstr(folder_.string()));
  }
  first.reset();
  EXPECT_NO_THROW(FolderLock{folder_});
  EXPECT_THROW(FolderLock(folder_ / "nowhere"), Error);
}

TEST_F(StoreTest, HistoryIsRebuiltFromFilesAndFilters) {
  RunRecord a = run("01_Speed", "2026-01-01T00:00:00.000Z");
  RunRecord b = run("02_Efficiency", "2026-02-01T00:00:00.000Z", RunStatus::kOutOfMemory);
  store_record(folder_ / "x", a);
  store_record(folder_ / "y", b);
  std::ofstream(folder_ / "y" / "bad.run.json") << "{}";
  const fs::path database = folder_ / "history.sqlite";
  std::ofstream(database) << "not a database at all, more than enough bytes to be sure of it";
  EXPECT_THROW(History{database}, Error);

  const ReindexResult result = rebuild_history(database, {folder_ / "x", folder_ / "y"});
  EXPECT_EQ(result.indexed, 2);
  EXPECT_EQ(result.damaged.size(), 1u);

  const History history(database);
  const auto all = history.query({});
  ASSERT_EQ(all.size(), 2u);
  EXPECT_EQ(all[0].id, b.id) << "newest first";
  EXPECT_EQ(all[1].total_ns, 6'200'000'000);
  EXPECT_EQ(all[1].num_frames, 161);
  EXPECT_TRUE(all[1].excluded);
  EXPECT_EQ(all[1].peak_device_bytes, std::nullopt) << "absent stays absent";
  EXPECT_EQ(history.query({.case_name = "speed"}).size(), 1u);
  EXPECT_EQ(history.query({.device = "h100"}).size(), 2u);
  EXPECT_EQ(history.query({.status = "ok"}).size(), 1u);
  EXPECT_EQ(history.query({.id_prefix = a.id.substr(0, 6)}).size(), 1u);
  EXPECT_EQ(history.query({.since_utc = "2026-01-15"}).size(), 1u);
  EXPECT_EQ(history.query({.case_name = "' OR 1=1 --"}).size(), 0u);
  EXPECT_EQ(history.query({.limit = 1}).size(), 1u);
}

}  // namespace
}  // namespace wan
