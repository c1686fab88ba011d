// What fits, from hand-made cases of known size, peak and card.
#include "analysis/fit_map.h"

#include <deque>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "runs.h"

namespace wan {
namespace {

using ::testing::ElementsAre;
constexpr double kGiB = 1024.0 * 1024 * 1024;

class FitMaps : public ::testing::Test {
 protected:
  /// A case of `frames` frames that took `peak_gib` on a card of 80 GiB.
  RunRecord& ran(FitSize size, int64_t frames, uint64_t peak_gib) {
    RunRecord record = synthetic_run({2, 2});
    record.run_case.name = fmt::format("{}x{}", size.width, frames);
    record.workload.model = "a";
    record.workload.width = size.width;
    record.workload.height = size.height;
    record.workload.num_frames = frames;
    stage_of(record, "VAE_Decoding").device_memory.process_peak_bytes = measured(peak_gib << 30, "nvml");
    records_.push_back(record);
    return records_.back();
  }
  RunRecord& ran_out(FitSize size, int64_t frames) {
    RunRecord& record = ran(size, frames, 1);
    record.status = RunStatus::kOutOfMemory;
    return record;
  }
  static void move_to(RunRecord& record, const std::string& card, uint64_t gib) {
    record.system.gpus[0].name = card;
    record.system.gpus[0].memory_bytes = measured(gib << 30, "cuda");
  }
  std::vector<FitMap> maps() {
    std::vector<const CaseSummary*> pointers;
    for (const RunRecord& record : records_) summaries_.push_back(summarise(group_runs({&record})[0]));
    for (const CaseSummary& summary : summaries_) pointers.push_back(&summary);
    return fit_maps(pointers);
  }
  static std::vector<Fit> row(const FitMap& map, size_t i) {
    std::vector<Fit> out;
    for (const FitCell& cell : map.cells[i]) out.push_back(cell.fit);
    return out;
  }
  std::deque<RunRecord> records_;
  std::deque<CaseSummary> summaries_;
};

constexpr FitSize kSmall{832, 480}, kLarge{1280, 704}, kTall{704, 1280};

TEST_F(FitMaps, WhatRanAndRanOutDecidesWhatIsSmallerAndLarger) {
  ran(kLarge, 81, 30);
  ran_out(kLarge, 361);
  ran(kSmall, 121, 20);
  ran_out({1920, 1088}, 121);
  const auto all = maps();
  ASSERT_EQ(all.size(), 1u);
  EXPECT_THAT(all[0].frames, ElementsAre(81, 121, 361));
  EXPECT_THAT(all[0].sizes, ElementsAre(kSmall, kLarge, FitSize{1920, 1088}));
  EXPECT_THAT(row(all[0], 0), ElementsAre(Fit::kShouldFit, Fit::kFits, Fit::kNotKnown));
  EXPECT_THAT(row(all[0], 1), ElementsAre(Fit::kFits, Fit::kNotKnown, Fit::kOutOfMemory));
  EXPECT_THAT(row(all[0], 2), ElementsAre(Fit::kNotKnown, Fit::kOutOfMemory, Fit::kShouldNot));
}

TEST_F(FitMaps, RoomIsOfTheCardAndTheCaseThatLeavesMostSpeaks) {
  ran(kLarge, 81, 60);
  ran(kLarge, 81, 30);
  ran(kSmall, 121, 70);
  ran(kSmall, 41, 10);
  const auto all = maps();
  ASSERT_EQ(all.size(), 1u);
  const FitCell& measured_here = all[0].cells[1][1];
  ASSERT_TRUE(measured_here.room);
  EXPECT_DOUBLE_EQ(measured_here.room->free_bytes, 50 * kGiB);
  EXPECT_DOUBLE_EQ(measured_here.room->free_percent, 62.5);
  const FitCell& derived = all[0].cells[0][1];  // 832*480, 81: within both the large one's 30 and the longer one's 70
  EXPECT_EQ(derived.fit, Fit::kShouldFit);
  EXPECT_DOUBLE_EQ(derived.room->free_bytes, 50 * kGiB);
  EXPECT_EQ(derived.basis->group.case_name, "1280x81");
}

TEST_F(FitMaps, AnotherCardsPeakIsSetAgainstThisCardsMemory) {
  ran(kLarge, 81, 30);
  ran(kLarge, 121, 60);
  move_to(ran(kLarge, 41, 20), "L40S", 46);
  const auto all = maps();
  ASSERT_EQ(all.size(), 2u);
  EXPECT_EQ(all[1].device, "L40S");
  EXPECT_THAT(row(all[1], 0), ElementsAre(Fit::kFits, Fit::kShouldFit, Fit::kNotKnown));
  EXPECT_DOUBLE_EQ(all[1].cells[0][1].room->free_bytes, 16 * kGiB);
  EXPECT_EQ(all[1].cells[0][1].basis->group.device, "NVIDIA H100 80GB HBM3");
}

TEST_F(FitMaps, RunningOutOnALargerCardTellsOfTheSmallerOneOnly) {
  ran_out(kLarge, 361);
  ran(kLarge, 81, 30);
  move_to(ran(kLarge, 81, 30), "L40S", 46);
  move_to(ran(kLarge, 81, 30), "H200", 141);
  const auto all = maps();
  ASSERT_EQ(all.size(), 3u);
  EXPECT_THAT(row(all[1], 0), ElementsAre(Fit::kFits, Fit::kShouldNot));
  EXPECT_THAT(row(all[2], 0), ElementsAre(Fit::kFits, Fit::kNotKnown));
}

TEST_F(FitMaps, RunningOutOfALimitSaysNothingOfTheCard) {
  ran_out(kLarge, 361).engine.facts["gpu_memory_limit"] = "12GiB";
  ran(kLarge, 81, 11).engine.facts["gpu_memory_limit"] = "12GiB";
  move_to(ran(kLarge, 81, 11), "RTX 4070", 12);
  const auto all = maps();
  ASSERT_EQ(all.size(), 2u);
  EXPECT_THAT(row(all[0], 0), ElementsAre(Fit::kFits, Fit::kNotKnown)) << "80 GiB may hold it";
  EXPECT_THAT(row(all[1], 0), ElementsAre(Fit::kFits, Fit::kShouldNot)) << "12 GiB are no more than the limit";
}

TEST_F(FitMaps, WaysToRunAreApartAndWhatSaysNothingIsLeftOut) {
  ran(kLarge, 81, 30);
  ran(kLarge, 121, 20).workload.offload = "stream";
  ran(kLarge, 121, 20).workload.model = "b";
  ran(kLarge, 121, 20).workload.dtypes = {{"dit", "fp32"}};
  ran(kLarge, 121, 20).engine.name = "another";
  ran(kLarge, 121, 20).workload.text_encoder_device = "cpu";
  ran(kLarge, 161, 20).status = RunStatus::kCrash;
  ran(kLarge, 161, 20).engine.device = "cpu";
  ran(kLarge, 161, 20).workload.width.reset();
  ran(kLarge, 161, 20).system.gpus.clear();
  const auto all = maps();
  ASSERT_EQ(all.size(), 6u);
  for (const FitMap& map : all) EXPECT_EQ(map.frames.size(), 1u);
}

TEST_F(FitMaps, OneCaseThatRanIsEnoughAndPortraitIsItsOwnRow) {
  ran_out(kLarge, 81);
  ran(kLarge, 81, 30);
  ran(kTall, 81, 31);
  const auto all = maps();
  EXPECT_THAT(all[0].sizes, ElementsAre(kTall, kLarge));
  EXPECT_THAT(row(all[0], 1), ElementsAre(Fit::kFits));
}

TEST_F(FitMaps, WithoutTheCardsMemoryThereIsNoRoomToName) {
  ran(kLarge, 81, 30).system.gpus[0].memory_bytes = absent<uint64_t>("not_in_source");
  ran(kLarge, 41, 30);
  const auto all = maps();
  EXPECT_FALSE(all[0].capacity_bytes);
  EXPECT_FALSE(all[0].cells[0][1].room);
  EXPECT_EQ(all[0].cells[0][1].fit, Fit::kFits);
}

}  // namespace
}  // namespace wan
