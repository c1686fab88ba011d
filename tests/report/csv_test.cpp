// The table for spreadsheets, read back cell by cell.
#include "report/csv.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>

#include "example.h"
#include "results/json.h"

namespace wan::report {
namespace {

using ::testing::HasSubstr;
using Row = std::map<std::string, std::string>;

std::vector<std::string> cells_of(const std::string& line) {
  std::vector<std::string> cells(1);
  bool is_quoted = false;
  for (const char c : line) {
    if (c == '"')
      is_quoted = !is_quoted;
    else if (c == ',' && !is_quoted)
      cells.emplace_back();
    else
      cells.back().push_back(c);
  }
  return cells;
}

/// Rows by column name; the examples read so have no line ends or quotes inside a cell.
std::vector<Row> rows_of(const std::string& csv) {
  std::vector<Row> rows;
  std::vector<std::string> header;
  for (size_t at = 0; at < csv.size();) {
    const size_t end = csv.find('\n', at);
    const std::vector<std::string> cells = cells_of(csv.substr(at, end - at));
    at = end + 1;
    if (header.empty()) {
      header = cells;
      continue;
    }
    EXPECT_EQ(cells.size(), header.size());
    Row& row = rows.emplace_back();
    for (size_t i = 0; i < std::min(cells.size(), header.size()); ++i) row[header[i]] = cells[i];
  }
  return rows;
}

RunRecord counted_record() {
  RunRecord record = example_record();
  record.status = RunStatus::kOk;
  record.error.reset();
  record.validity.clear();
  record.id = "0123456789abcdef";
  return record;
}

TEST(Csv, WritesOneRowAStageWithEmptyCellsForAbsentValues) {
  RunRecord record = example_record();
  record.run_case.name = "a,\"b\"";
  seal(record);
  const std::string csv = to_csv({&record});
  EXPECT_EQ(std::count(csv.begin(), csv.end(), '\n'), 3);
  EXPECT_THAT(csv, HasSubstr("\"a,\"\"b\"\"\""));
  EXPECT_THAT(csv, HasSubstr(",wall_ns,"));
  EXPECT_THAT(
      csv, HasSubstr("Step_0_Inference,leaf,drift,5200000000,1000000000,5199000000,0,900000000,123,1600000000000000,"));
  EXPECT_THAT(csv, HasSubstr("Total_Execution,parent,,6200000000,,,,"));
}

TEST(Csv, KeepsTheNamesAndTheOrderOfItsFirstColumns) {
  const std::string csv = to_csv({});
  EXPECT_THAT(csv, testing::StartsWith(
                       "run_id,created_utc,suite,case,arm,repeat,warmup,status,counts,not_counted_because,flags,scope,"
                       "page_cache,precision_class,engine,git_commit,gpu,gpu_uuid,cpu,model,width,height,num_frames,"
                       "steps,workload_key,stage,kind,stage_flags,wall_ns,begin_ns,gpu_ns,exposed_copy_ns,"
                       "hidden_copy_ns,moved_bytes,flops,cpu_core_ns,read_bytes,host_process_peak_bytes,"
                       "host_system_used_peak_bytes,device_process_peak_bytes,device_pool_peak_bytes,"
                       "sm_active_percent,tensor_active_percent,dram_active_percent,sm_occupancy_percent,"
                       "gpu_busy_percent,sm_clock_median_mhz,power_mean_w,energy_j,"));
}

TEST(Csv, LeavesOutHiddenWorkUnlessAskedFor) {
  RunRecord record = counted_record();
  StageRecord copy = record.stages.front();
  copy.id = "a_copy";
  copy.kind = StageKind::kHidden;
  record.stages.push_back(copy);
  EXPECT_EQ(rows_of(to_csv({&record})).size(), 2u);
  EXPECT_EQ(rows_of(to_csv({&record}, {}, HiddenRows::kWritten)).size(), 3u);
  record.stages = {copy};
  const std::vector<Row> rows = rows_of(to_csv({&record}));
  ASSERT_EQ(rows.size(), 1u) << "a run always has a row";
  EXPECT_EQ(rows[0].at("stage"), "");
  EXPECT_EQ(rows[0].at("status"), "ok");
}

TEST(Csv, CountsTheCardsOfARun) {
  RunRecord record = counted_record();
  record.system.gpus.assign(8, record.system.gpus.front());
  EXPECT_EQ(rows_of(to_csv({&record}))[0].at("gpu"), "8x " + record.system.gpus.front().name);
}

TEST(Csv, TellsEmptyPageCachesFromHotOnes) {
  RunRecord hot = counted_record(), evicted = counted_record(), unknown = counted_record();
  evicted.workload.page_cache = PageCache::kEvicted;
  evicted.workload.scope = RunScope::kCold;
  unknown.workload.page_cache = PageCache::kUnknown;
  const std::vector<Row> rows = rows_of(to_csv({&hot, &evicted, &unknown}));
  ASSERT_EQ(rows.size(), 6u);
  EXPECT_EQ(rows[0].at("page_cache"), "hot");
  EXPECT_EQ(rows[0].at("scope"), "warm");
  EXPECT_EQ(rows[2].at("page_cache"), "evicted");
  EXPECT_EQ(rows[2].at("scope"), "cold");
  EXPECT_EQ(rows[4].at("page_cache"), "unknown");
}

TEST(Csv, FlagsStandOnceEachOnEveryRowAndStageFlagsOnTheirs) {
  RunRecord record = counted_record();
  record.validity = {{"drift", "", "Step_*_Inference", false},
                     {"software_power_cap", "", "", false},
                     {"drift", "", "VAE_Decoding", false}};
  const std::vector<Row> rows = rows_of(to_csv({&record}));
  ASSERT_EQ(rows.size(), 2u);
  for (const Row& row : rows) EXPECT_EQ(row.at("flags"), "drift;software_power_cap");
  EXPECT_EQ(rows[0].at("stage_flags"), "");
  EXPECT_EQ(rows[1].at("stage_flags"), "drift");
}

TEST(Csv, SaysWhetherARunCountsAndWhyNot) {
  const auto counts = [](const RunRecord& record, const std::map<std::string, std::string>& left_out = {}) {
    const Row row = rows_of(to_csv({&record}, left_out)).at(0);
    return row.at("counts") + "|" + row.at("not_counted_because");
  };
  RunRecord record = counted_record();
  EXPECT_EQ(counts(record), "yes|");
  record.validity = {{"software_power_cap", "normal", "", false}};
  EXPECT_EQ(counts(record), "yes|") << "a flag that does not exclude";
  EXPECT_EQ(counts(record, {{"another", "flag low_clock: slow"}}), "yes|");
  EXPECT_EQ(counts(record, {{record.id, "flag low_clock: 1200, not 1900 MHz"}}),
            "no|flag low_clock: 1200, not 1900 MHz");
  record.validity.push_back({"thermal_slowdown", "too hot", "", true});
  EXPECT_EQ(counts(record), "no|flag thermal_slowdown: too hot");
  record.status = RunStatus::kOutOfMemory;
  EXPECT_EQ(counts(record), "no|status oom");
  record.run_case.warmup = true;
  EXPECT_EQ(counts(record), "no|warmup");
  record = counted_record();
  record.stages.clear();
  EXPECT_EQ(counts(record), "no|no stages");
}

}  // namespace
}  // namespace wan::report
