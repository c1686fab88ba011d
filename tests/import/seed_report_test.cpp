// The whole seed report: every printed value kept, every aggregate recomputed, every known contradiction found.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <map>
#include <memory>
#include <sstream>

#include "analysis/compare.h"
#include "base/file.h"
#include "import/import.h"
#include "import/parse.h"
#include "results/json.h"

namespace wan {
namespace {

const std::string kReport = std::string(WAN_FIXTURES) + "/units/seed_report.md";

class SeedReport : public ::testing::Test {
 protected:
  static void SetUpTestSuite() { records_ = std::make_unique<std::vector<RunRecord>>(import_file(kReport)); }
  static void TearDownTestSuite() { records_.reset(); }
  static const RunRecord& run(const std::string& gpu, const std::string& name) {
    for (const RunRecord& record : *records_) {
      if (record.run_case.name == name && record.system.gpus[0].name.starts_with(gpu)) return record;
    }
    throw std::runtime_error("no run " + gpu + " " + name);
  }
  static const Finding* finding(const RunRecord& record, const std::string& code) {
    for (const Finding& f : record.imported->findings) {
      if (f.code == code) return &f;
    }
    return nullptr;
  }
  static std::unique_ptr<std::vector<RunRecord>> records_;
};
std::unique_ptr<std::vector<RunRecord>> SeedReport::records_;

// Computed from the report by hand: header load, sum of the rows', Total_Execution's, seconds in no stage, what the
// utilisation check divided, what it should have seen.
struct Known {
  const char* gpu;
  const char* name;
  double total_s, header_load, leaf_load, total_load, unattributed_s, checked_sm, true_sm;
};
constexpr Known kKnown[] = {
    {"RTX PRO", "01_5B_Speed_Preview_704p", 143.25, 11546, 5733, 5813, 26.59, 80.6, 40.6},
    {"RTX PRO", "01_Speed_Preview_480p", 114.94, 11672, 5804, 5868, 8.54, 101.5, 51.1},
    {"RTX PRO", "02_5B_Efficiency_Mode_704p", 151.58, 18624, 9256, 9368, 9.59, 122.9, 61.9},
    {"RTX PRO", "02_Efficiency_Mode_720p", 147.19, 18453, 9152, 9302, 8.65, 125.4, 63.3},
    {"RTX PRO", "03_5B_Performance_Mode_704p", 146.27, 18587, 9266, 9322, 3.56, 127.1, 63.8},
    {"RTX PRO", "03_Performance_Mode_720p", 149.29, 18494, 9164, 9330, 8.33, 123.9, 62.5},
    {"RTX PRO", "04_14B_Speed_Preview_480p", 342.30, 39080, 19502, 19578, 22.29, 114.2, 57.2},
    {"L40S", "01_Speed_Preview_480p", 269.38, 21888, 10831, 11057, 24.76, 81.3, 41.1},
    {"L40S", "02_Efficiency_Mode_720p", 322.66, 34674, 17201, 17472, 22.47, 107.5, 54.2},
    {"L40S", "03_Performance_Mode_720p", 319.90, 34698, 17233, 17465, 23.77, 108.5, 54.6},
};

TEST_F(SeedReport, HasTenRunsOnTwoCards) {
  EXPECT_EQ(records_->size(), 10u);
  for (const Known& known : kKnown) EXPECT_NO_THROW(run(known.gpu, known.name)) << known.name;
}

TEST_F(SeedReport, KeepsEveryCellOfEveryStageTableAsPrinted) {
  // Read again here, as plainly as can be: rows under each case, cell by cell against the record.
  std::istringstream text(read_text(kReport));
  std::string line;
  size_t record = static_cast<size_t>(-1);
  int rows = 0;
  while (std::getline(text, line)) {
    if (line.starts_with("#### Case:")) ++record;
    const auto cells = table_cells(line);
    if (cells.size() != 7 || cells[0] == "Stage" || cells[0] == "Case" || is_table_rule(cells)) continue;
    if (cells[1].find('*') != std::string::npos) continue;  // a card's own table
    const StageRecord* stage = find_stage((*records_)[record], cells[0]);
    ASSERT_NE(stage, nullptr) << cells[0];
    ++rows;
    const char* columns[] = {"Stage", "Time (s)", "GPU Mem (GB)", "CPU (%)", "Sys Mem (GB)", "SM Act (%)", "Comp Load"};
    for (int c = 0; c < 7; ++c) EXPECT_EQ(stage->printed.at(columns[c]), cells[static_cast<size_t>(c)]);
    EXPECT_EQ(stage->wall_ns, std::llround(std::stod(cells[1]) * 1e9));
    EXPECT_NEAR(static_cast<double>(*stage->device_memory.pool_peak_bytes.value) / (1 << 30), std::stod(cells[2]),
                1e-6);
    if (stage->counters.sm_active.mean_percent) {
      EXPECT_EQ(*stage->counters.sm_active.mean_percent, std::stod(cells[5]));
    }
  }
  EXPECT_EQ(rows, 210);
}

TEST_F(SeedReport, KeepsTotalsStatisticsTablesAndRemarks) {
  const RunRecord& r = run("RTX PRO", "02_Efficiency_Mode_720p");
  const auto& printed = r.imported->printed;
  EXPECT_EQ(printed.at("Total Duration"), "147.19 s");
  EXPECT_EQ(printed.at("Peak GPU Memory"), "31.27 GB");
  EXPECT_EQ(printed.at("Total Compute Load"), "18453");
  EXPECT_EQ(printed.at("Avg Time per Step"), "6.86 s");
  EXPECT_EQ(printed.at("Avg SM Activity"), "98.7 %");
  EXPECT_EQ(printed.at("Avg CPU Utilization"), "3.9 %");
  EXPECT_EQ(printed.at("Total Inference Load"), "6768");
  EXPECT_EQ(printed.at("card table: Load"), "18453");
  EXPECT_EQ(printed.at("summary: Speedup (RTX vs L40S)"), "**2.19x**");
  EXPECT_THAT(r.imported->notes,
              ::testing::Contains("- Inference stage 'Step_0_Inference' has low SM activity (86.86%), check kernel "
                                  "efficiency."));
  EXPECT_EQ(r.workload.width, 1280);
  EXPECT_EQ(r.workload.height, 704);
  EXPECT_EQ(r.workload.steps, 10);
  EXPECT_EQ(r.workload.offload, "true");
  EXPECT_EQ(r.workload.text_encoder_device, "cpu");
  EXPECT_EQ(r.workload.num_frames, std::nullopt) << "the report does not say, so neither do we";
}

TEST_F(SeedReport, RecomputesEveryAggregate) {
  for (const Known& known : kKnown) {
    const Recomputed r = recompute(run(known.gpu, known.name));
    // Loads are printed as whole numbers: a sum of n rows is known to n / 2. Times to 0.01 s.
    const double rows = 2 * static_cast<double>(r.steps) + 5;
    EXPECT_NEAR(r.header_s, known.total_s, 1e-9) << known.name;
    EXPECT_NEAR(r.header_load, known.header_load, 1e-9) << known.name;
    EXPECT_NEAR(r.leaf_load, known.leaf_load, 0.5) << known.name;
    EXPECT_NEAR(r.total_load, known.total_load, 0.5) << known.name;
    EXPECT_NEAR(r.header_load, r.leaf_load + r.total_load, rows / 2 + 1) << "the header is the sum of both";
    EXPECT_NEAR(r.unattributed_s, known.unattributed_s, 0.005) << known.name;
    EXPECT_NEAR(r.checked_sm_percent, known.checked_sm, 0.051) << known.name;
    EXPECT_NEAR(r.whole_run_sm_percent, known.true_sm, 1e-9) << known.name;
  }
}

TEST_F(SeedReport, FindsTheContradictionsOfEveryRun) {
  for (const Known& known : kKnown) {
    const RunRecord& r = run(known.gpu, known.name);
    const Finding* load = finding(r, "double_counted_load");
    ASSERT_NE(load, nullptr) << known.name;
    EXPECT_EQ(load->printed, known.header_load);
    EXPECT_NEAR(*load->recomputed, known.leaf_load, 0.5);
    const Finding* hidden = finding(r, "low_utilisation_hidden");
    ASSERT_NE(hidden, nullptr) << "all ten should have warned: " << known.name;
    EXPECT_NEAR(*hidden->recomputed, known.true_sm, 1e-9);
    const Finding* rest = finding(r, "unattributed_time");
    ASSERT_NE(rest, nullptr) << known.name;
    EXPECT_NEAR(*rest->recomputed, known.unattributed_s, 0.005);
    EXPECT_EQ(finding(r, "aggregate_mismatch"), nullptr)
        << known.name << ": the report's sums are right but for the double count; "
        << finding(r, "aggregate_mismatch")->where;
    EXPECT_NE(finding(r, "below_resolution"), nullptr);
    EXPECT_NE(finding(r, "zero_for_absent"), nullptr);
    EXPECT_NE(finding(r, "unit_mislabelled"), nullptr);
  }
}

TEST_F(SeedReport, CountsTheRowsThatReadZeroByConstruction) {
  double short_rows = 0, single = 0;
  int no_cpu = 0;
  for (const RunRecord& r : *records_) {
    if (const Finding* f = finding(r, "below_resolution")) short_rows += *f->printed;
    if (const Finding* f = finding(r, "single_sample")) single += *f->printed;
    for (const Finding& f : r.imported->findings) no_cpu += f.code == "zero_for_absent" && f.where == "CPU" ? 1 : 0;
  }
  EXPECT_EQ(short_rows, 88);
  EXPECT_EQ(single, 1);
  EXPECT_EQ(no_cpu, 4);
}

TEST_F(SeedReport, NeverTurnsAnUnsampledZeroIntoAValue) {
  const RunRecord& r = run("RTX PRO", "02_Efficiency_Mode_720p");
  const StageRecord* loading = find_stage(r, "Step_4_Loading");
  EXPECT_EQ(loading->counters.sm_active.mean_percent, std::nullopt) << "one sample of a stage of no length";
  EXPECT_EQ(loading->counters.sm_active.reason, "below_resolution");
  EXPECT_FALSE(loading->host_memory.system_used_peak_bytes.has());
  EXPECT_EQ(find_stage(r, "Model_Initialization")->counters.sm_active.mean_percent, 0.0)
      << "34 s at rest are a reading";
}

TEST_F(SeedReport, FindsMislabelledDuplicatedAndForeignThings) {
  const RunRecord& speed = run("RTX PRO", "01_Speed_Preview_480p");
  EXPECT_EQ(finding(speed, "mislabelled_resolution")->recomputed, 704);
  EXPECT_NE(finding(speed, "mislabelled_gpu"), nullptr);
  EXPECT_EQ(finding(run("L40S", "01_Speed_Preview_480p"), "mislabelled_gpu"), nullptr);

  for (const char* gpu : {"RTX PRO", "L40S"}) {
    const Finding* same = finding(run(gpu, "03_Performance_Mode_720p"), "duplicate_workload");
    ASSERT_NE(same, nullptr) << gpu;
    EXPECT_THAT(same->message, ::testing::HasSubstr("02_"));
  }
  EXPECT_EQ(finding(run("RTX PRO", "03_5B_Performance_Mode_704p"), "duplicate_workload"), nullptr) << "offload is off";

  EXPECT_NE(finding(run("RTX PRO", "03_5B_Performance_Mode_704p"), "limit_of_another_card"), nullptr);
  EXPECT_NE(finding(run("RTX PRO", "04_14B_Speed_Preview_480p"), "limit_of_another_card"), nullptr);
  EXPECT_EQ(finding(speed, "limit_of_another_card"), nullptr);

  const Finding* stall = finding(run("RTX PRO", "04_14B_Speed_Preview_480p"), "loading_stall");
  ASSERT_NE(stall, nullptr);
  EXPECT_EQ(stall->where, "Step_4_Loading");
  EXPECT_DOUBLE_EQ(*stall->recomputed, 69.81);

  int unlisted = 0;
  for (const RunRecord& r : *records_) unlisted += finding(r, "not_in_summary") != nullptr ? 1 : 0;
  EXPECT_EQ(unlisted, 4);
}

TEST_F(SeedReport, FindsTheGpuPartOfTheSpeedup) {
  const std::map<std::string, std::pair<double, double>> known = {{"01_Speed_Preview_480p", {2.34, 1.867}},
                                                                  {"02_Efficiency_Mode_720p", {2.19, 1.863}},
                                                                  {"03_Performance_Mode_720p", {2.14, 1.866}}};
  for (const auto& [name, ratios] : known) {
    const Finding* f = finding(run("RTX PRO", name), "speedup_includes_host");
    ASSERT_NE(f, nullptr) << name;
    EXPECT_EQ(f->printed, ratios.first);
    EXPECT_NEAR(*f->recomputed, ratios.second, 0.0006);
  }
}

TEST_F(SeedReport, ComparisonSplitsTheSpeedupIntoCardAndHost) {
  const RunRecord& slow = run("L40S", "01_Speed_Preview_480p");
  const RunRecord& fast = run("RTX PRO", "01_Speed_Preview_480p");
  const CaseSummary a = summarise(group_runs({&slow})[0]), b = summarise(group_runs({&fast})[0]);
  const Comparison c = compare_cases(a, b);
  ASSERT_TRUE(c.comparable()) << c.refusals[0];
  EXPECT_NEAR(c.split->gpu, 1.867, 0.0006);
  EXPECT_NEAR(c.split->total, 269.21 / 114.80, 1e-6);
  EXPECT_NEAR(c.split->unattributed_a_s, 24.76, 0.005);
  EXPECT_NEAR(c.split->unattributed_b_s, 8.54, 0.005);
  EXPECT_EQ(c.scopes[0].time.verdict, Verdict::kInconclusive) << "one run each proves nothing";
  EXPECT_NEAR(c.split->saved_s, c.split->saved_gpu_s + c.split->saved_host_s, 1e-9);

  const RunRecord& other = run("L40S", "02_Efficiency_Mode_720p");
  const CaseSummary d = summarise(group_runs({&other})[0]);
  const Comparison refused = compare_cases(d, b);
  ASSERT_FALSE(refused.comparable());
  EXPECT_THAT(refused.refusals[0], ::testing::HasSubstr("steps differs: 10 against 5"));
}

TEST_F(SeedReport, RecordsSurviveTheRecordFormat) {
  for (const RunRecord& r : *records_) {
    const RunRecord back = record_from_json(to_json(r), "memory");
    EXPECT_EQ(back.id, r.id);
    EXPECT_EQ(back.imported, r.imported);
    EXPECT_EQ(to_json(back), to_json(r));
  }
}

}  // namespace
}  // namespace wan
