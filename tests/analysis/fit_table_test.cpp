// What fits, from a table of two rows and hand-made runs of known size, peak and card.
#include "analysis/fit_table.h"

#include <algorithm>
#include <deque>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "base/file.h"
#include "runs.h"
#include "temporary_folder.h"

namespace wan {
namespace {

using ::testing::HasSubstr;

constexpr size_t k16 = 2, k80 = 6;  // columns

FitPeak peak(const std::string& residency, uint64_t gib, const std::string& recipe = "official") {
  return {residency, gib << 30, recipe, "a card"};
}

FitRow row_of(const std::string& model, int64_t width, const std::string& stored) {
  FitRow row{model, width, 480, 81, stored};
  for (size_t i = k16; i < kFitGib.size(); ++i) row.cells[i].predicted = peak("resident", 14);
  return row;
}

class Fits : public ::testing::Test {
 protected:
  Fits() : table_{row_of("a", 832, "bf16"), row_of("a", 832, "q8_0"), row_of("b", 832, "bf16")} {}
  /// A run of model "a" at 832x480, 81 frames, that took `gib` on a card of 80 GiB.
  RunRecord& ran(uint64_t gib) {
    RunRecord record = synthetic_run({2, 2});
    record.run_case.name = fmt::format("case {}", records_.size());
    record.workload.model = "a";
    record.workload.width = 832;
    record.workload.height = 480;
    record.workload.num_frames = 81;
    record.workload.offload = "stream";
    stage_of(record, "VAE_Decoding").device_memory.process_peak_bytes = measured(gib << 30, "nvml");
    records_.push_back(record);
    return records_.back();
  }
  RunRecord& ran_out(const std::string& offload) {
    RunRecord& record = ran(1);
    record.status = RunStatus::kOutOfMemory;
    record.workload.offload = offload;
    return record;
  }
  FitView view() {
    for (const RunRecord& record : records_) cases_.push_back(case_view(group_runs({&record})[0], {}, {}));
    return fit_view(cases_, table_);
  }
  std::vector<FitRow> table_;
  std::deque<RunRecord> records_;
  std::deque<CaseView> cases_;
};

TEST_F(Fits, AllOnTheCardIsFasterThanPackedAndThatThanStreamed) {
  const std::vector<FitPeak> peaks{peak("stream", 5), peak("packed", 9), peak("resident", 12)};
  EXPECT_FALSE(fastest_within(peaks, uint64_t{4} << 30));
  EXPECT_EQ(fastest_within(peaks, uint64_t{8} << 30)->residency, "stream");
  EXPECT_EQ(fastest_within(peaks, uint64_t{9} << 30)->residency, "packed");
  EXPECT_EQ(fastest_within(peaks, uint64_t{80} << 30)->residency, "resident");
}

TEST_F(Fits, AMeasuredPeakStandsInEveryMemoryThatHoldsIt) {
  ran(10);
  const FitRow row = view().rows[0];
  EXPECT_FALSE(row.cells[0].here);  // 8 GiB
  ASSERT_TRUE(row.cells[1].here);
  EXPECT_EQ(row.cells[1].here->residency, "stream");
  EXPECT_EQ(row.cells[k80].here->bytes, uint64_t{10} << 30);
}

TEST_F(Fits, TheHighestOfTheRunsCounts) {
  RunRecord first = ran(9), second = ran(11);
  second.run_case = first.run_case;
  records_ = {first, second};
  cases_.push_back(case_view(group_runs({&records_[0], &records_[1]})[0], {}, {}));
  EXPECT_EQ(fit_view(cases_, table_).rows[0].cells[k80].here->bytes, uint64_t{11} << 30);
}

TEST_F(Fits, FormsOfTheWeightsAreRowsOfTheirOwn) {
  Execution packed;
  packed.residency = "packed";
  packed.stored = {{"dit", "random, as q8_0"}};
  ran(12).execution = measured(packed, "engine");
  packed.stored = {{"dit", "Q4_K+Q6_K"}};
  ran(7).execution = measured(packed, "engine");
  ran(13).workload.weights = {{"dit", "a", 1, "", ""}, {"lora", "b", 1, "", ""}};
  const FitView fit = view();
  ASSERT_EQ(fit.rows.size(), 5u);
  EXPECT_EQ(fit.rows[1].cells[k80].here->residency, "packed");
  EXPECT_EQ(fit.rows[2].stored, "Q4_K+Q6_K");
  EXPECT_FALSE(fit.rows[2].is_predicted);
  EXPECT_EQ(fit.rows[3].stored, "bf16 + LoRA");
  EXPECT_FALSE(fit.rows[0].cells[k80].here) << "no run was of bf16 alone";
}

TEST_F(Fits, OnlyRowsOfTheRecordsModelAndSizeAreAsked) {
  table_.push_back(row_of("a", 1280, "bf16"));
  ran(10).workload.num_frames = 161;
  std::vector<std::string> asked;
  const FitView fit = view();
  for (const FitRow& row : fit.rows)
    if (row.is_asked) asked.push_back(fmt::format("{} {} {} {}", row.model, row.width, row.num_frames, row.stored));
  EXPECT_EQ(asked, (std::vector<std::string>{"a 832 81 bf16", "a 832 81 q8_0", "a 832 161 bf16"}));
}

TEST_F(Fits, AModelAtASizeThatTheTableHasNotAsksForAllOfIts) {
  ran(10).workload.width = 640;
  const FitView fit = view();
  EXPECT_EQ(std::ranges::count_if(fit.rows, [](const FitRow& row) { return row.is_asked; }), 3);
}

TEST_F(Fits, OtherProgramsAndTheCpuAndRunsThatFailedMeasureNothing) {
  ran(10).engine.kind = EngineKind::kImported;
  ran(10).engine.device = "cpu";
  ran(10).status = RunStatus::kCrash;
  const FitView fit = view();  // named: a range-for would not keep it
  for (const FitCell& cell : fit.rows[0].cells) EXPECT_FALSE(cell.here);
}

TEST_F(Fits, RunningOutTellsOfMemoryThatIsNoLarger) {
  ran_out("auto").system.gpus[0].memory_bytes = measured(uint64_t{15'900} << 20, "cuda");  // sold as 16 GB
  const FitView fit = view();
  EXPECT_TRUE(fit.rows[0].cells[k16].ran_out);
  EXPECT_FALSE(fit.rows[0].cells[k16 + 1].ran_out);
  ASSERT_EQ(fit.ran_out.size(), 1u);
  EXPECT_FALSE(fit.ran_out[0].is_limit);
}

/// Streamed weights might have fit where those that had to be resident did not.
TEST_F(Fits, RunningOutInAPlaceThatWasAskedForTellsOfThatRunAlone) {
  ran_out("none");
  const FitView fit = view();
  for (const FitCell& cell : fit.rows[0].cells) EXPECT_FALSE(cell.ran_out);
  EXPECT_EQ(fit.ran_out.size(), 1u);
}

TEST_F(Fits, RunningOutOfALimitSaysNothingOfTheCard) {
  ran_out("auto").engine.facts["gpu_memory_limit"] = "8GiB";
  const FitView fit = view();
  EXPECT_TRUE(fit.ran_out[0].is_limit);
  EXPECT_EQ(fit.ran_out[0].had_bytes, double(uint64_t{8} << 30));
  EXPECT_TRUE(fit.rows[0].cells[0].ran_out);
  EXPECT_FALSE(fit.rows[0].cells[1].ran_out);
}

TEST(FitTable, AFileThatIsNoneIsRefusedWithItsPlace) {
  const auto refusal = [](const std::string& text) -> std::string {
    const test::TemporaryFolder folder;
    write_atomically(folder / "t.json", text);
    try {
      load_fit_rows(folder / "t.json");
    } catch (const Error& error) {
      return error.what();
    }
    return "read";
  };
  const std::string head = R"({"schema": {"name": "wanbench.plan_table", "major": 1, "minor": 1}, "rows": [)";
  EXPECT_THAT(refusal(R"({"schema": {"name": "wanbench.plan", "major": 1}, "rows": []})"), HasSubstr("plan_table"));
  EXPECT_THAT(refusal(head + R"({"model": "a", "cells": []}]})"), HasSubstr("row 1: field 'cells'"));
  EXPECT_THAT(refusal(head + R"({"model": "a", "width": -1}]})"), HasSubstr("row 1: field 'width'"));
  EXPECT_EQ(refusal(head + "]}"), "read");
}

TEST(FitTable, TheTableThatComesWithTheProgramIsRead) {
  const auto rows = load_fit_rows(std::filesystem::path(WAN_SOURCE_DIR) / "suites" / "memory_table.json");
  ASSERT_FALSE(rows.empty());
  for (const FitRow& row : rows)
    for (size_t i = 0; i < kFitGib.size(); ++i)
      for (const auto& peak : {row.cells[i].predicted, row.cells[i].published})
        EXPECT_LE(peak ? peak->bytes : 0, fit_room(i)) << row.model << " " << row.stored;
}

}  // namespace
}  // namespace wan
