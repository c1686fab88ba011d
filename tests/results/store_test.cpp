// Storing, listing, the lock, the index and CSV, in a folder of the test's own.
#include "results/store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sqlite3.h>

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

TEST_F(StoreTest, RunsThatAreNotTimedHaveNamesOfTheirOwn) {
  RunRecord record = run("01", "2026-01-01T00:00:00.000Z");
  record.kernels.reset();
  EXPECT_EQ(run_file_stem(record), "01.warm.r3.A.fidelity");
  record.fidelity.reset();
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

TEST_F(StoreTest, ALockThatIsALinkMakesNoFileElsewhere) {
  fs::create_directory(folder_ / "run");
  fs::create_symlink("../victim", folder_ / "run" / ".lock");
  EXPECT_THROW(FolderLock(folder_ / "run"), Error);
  EXPECT_FALSE(fs::exists(folder_ / "victim"));
}

TEST_F(StoreTest, HistoryIsRebuiltFromFilesAndFilters) {
  RunRecord a = run("01_Speed", "2026-01-01T00:00:00.000Z");
  RunRecord b = run("02_Efficiency", "2026-02-01T00:00:00.000Z", RunStatus::kOutOfMemory);
  store_record(folder_ / "x", a);
  store_record(folder_ / "y", b);
  std::ofstream(folder_ / "y" / "bad.run.json") << "{}";
  const fs::path database = folder_ / "history.sqlite";
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

std::string bytes_of(const fs::path& file) { return read_text(file); }

/// A database made by `sql`, as any other program may have one.
void make_database(const fs::path& file, const std::string& sql) {
  sqlite3* handle = nullptr;
  ASSERT_EQ(sqlite3_open(file.c_str(), &handle), SQLITE_OK);
  EXPECT_EQ(sqlite3_exec(handle, sql.c_str(), nullptr, nullptr, nullptr), SQLITE_OK) << sql;
  sqlite3_close(handle);
}

TEST_F(StoreTest, AnIndexIsNeverMadeOutOfAnothersFile) {
  RunRecord a = run("a", "2026-01-01T00:00:00.000Z");
  store_record(folder_ / "x", a);
  make_database(folder_ / "foreign", "CREATE TABLE x(a)");
  make_database(folder_ / "of_our_version", "CREATE TABLE x(a); PRAGMA user_version = 1");
  make_database(folder_ / "of_our_names",
                "CREATE TABLE runs(a); CREATE TABLE stages(a); CREATE TABLE more(a); "
                "PRAGMA user_version = 1");
  make_database(folder_ / "of_another", "CREATE TABLE runs(a); CREATE TABLE stages(a); PRAGMA application_id = 5");
  std::ofstream(folder_ / "notes.txt") << "my notes";
  std::ofstream(folder_ / "long.txt") << std::string(5000, 'n');
  std::ofstream(folder_ / "empty.txt");
  for (const char* name :
       {"foreign", "of_our_version", "of_our_names", "of_another", "notes.txt", "long.txt", "empty.txt"}) {
    const fs::path file = folder_ / name;
    const std::string before = bytes_of(file);
    EXPECT_THROW(History{file}, Error) << name;
    try {
      rebuild_history(file, {folder_ / "x"});
      ADD_FAILURE() << name;
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::kInput);
      EXPECT_THAT(error.what(), HasSubstr(name));
    }
    EXPECT_EQ(bytes_of(file), before) << name;
  }
  fs::create_directory(folder_ / "taken");
  EXPECT_THROW(rebuild_history(folder_ / "taken", {folder_ / "x"}), Error);
}

/// A view under our name, of which a query has no end.
TEST_F(StoreTest, AnIndexWithOtherTablesIsNotAsked) {
  const fs::path file = folder_ / "h";
  { History made(file); }
  EXPECT_EQ(History(file).query({}).size(), 0u);
  make_database(file,
                "DROP TABLE runs; CREATE VIEW runs AS WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) "
                "SELECT i AS id FROM n");
  try {
    History opened(file);
    ADD_FAILURE();
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), HasSubstr("expected the tables of a history index"));
  }
}

TEST_F(StoreTest, AnIndexOfOursIsRebuiltOfAnEarlierBuildToo) {
  RunRecord a = run("a", "2026-01-01T00:00:00.000Z");
  store_record(folder_ / "x", a);
  make_database(folder_ / "old", "CREATE TABLE runs(a); CREATE TABLE stages(a); PRAGMA user_version = 1");
  EXPECT_EQ(rebuild_history(folder_ / "old", {folder_ / "x"}).indexed, 1);
  EXPECT_EQ(rebuild_history(folder_ / "old", {folder_ / "x"}).indexed, 1) << "and again";
  EXPECT_EQ(History(folder_ / "old").query({}).size(), 1u);
  make_database(folder_ / "old", "PRAGMA user_version = 77");
  EXPECT_THROW(History{folder_ / "old"}, Error);
  EXPECT_EQ(rebuild_history(folder_ / "old", {folder_ / "x"}).indexed, 1) << "of a later version";
}

TEST_F(StoreTest, AFileInsideAFolderIsFoundAndNoneOutsideIt) {
  fs::create_directories(folder_ / "results" / "videos");
  std::ofstream(folder_ / "private.mp4") << "p";
  std::ofstream(folder_ / "results" / "videos" / "v.mp4") << "v";
  fs::create_symlink("../../private.mp4", folder_ / "results" / "videos" / "out.mp4");
  fs::create_symlink("v.mp4", folder_ / "results" / "videos" / "in.mp4");
  fs::create_directory_symlink("..", folder_ / "results" / "up");
  const fs::path results = folder_ / "results";
  EXPECT_TRUE(file_inside(results, "videos/v.mp4"));
  EXPECT_TRUE(file_inside(results, "videos/in.mp4"));
  EXPECT_TRUE(file_beside(results / "a.run.json", "videos/v.mp4"));
  for (const char* name : {"", "videos", "videos/gone.mp4", "../private.mp4", "videos/../../private.mp4",
                           "videos/out.mp4", "up/private.mp4", "/etc/passwd", "videos/../videos/v.mp4"})
    EXPECT_FALSE(file_inside(results, name)) << name;
}

TEST_F(StoreTest, ARecordThatContradictsItselfIsExcludedInTheIndex) {
  RunRecord a = run("a", "2026-01-01T00:00:00.000Z");
  a.validity.clear();
  a.stages[0].wall_ns = -5;
  store_record(folder_ / "x", a);
  rebuild_history(folder_ / "h", {folder_ / "x"});
  EXPECT_TRUE(History(folder_ / "h").query({}).at(0).excluded);
}

}  // namespace
}  // namespace wan
