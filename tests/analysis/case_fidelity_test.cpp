// Runs that were made to be compared: what they say of the timed runs of their case, and that they are none of these.
#include "analysis/case_fidelity.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "analysis/answer.h"
#include "analysis/repeat_command.h"
#include "analysis/report_view.h"
#include "judged.h"
#include "runs.h"

namespace wan {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

RunRecord run_of(const std::string& name, PrecisionClass precision, double step_s, int64_t repeat) {
  RunRecord run = synthetic_run({step_s, step_s}, 0, repeat);
  run.run_case.name = name;
  run.run_case.suite = "suite";
  run.workload.precision_class = precision;
  run.output.sha256 = name + " frames";
  run.output.size_bytes = measured<uint64_t>(1000, "engine");
  run.id.clear();
  seal(run);
  return run;
}

/// Four runs with a little noise.
void add_case(std::vector<RunRecord>& records, const std::string& name, PrecisionClass precision, double step_s) {
  for (int64_t i = 0; i < 4; ++i)
    records.push_back(run_of(name, precision, step_s * (1 + 0.001 * static_cast<double>(i)), i));
}

constexpr PrecisionClass kRounding = PrecisionClass::kRounding, kDrift = PrecisionClass::kDrift;

/// "fp8" timed cold, and warm, and judged against bf16.
std::vector<RunRecord> judged_case(const Judgement& how = {}) {
  std::vector<RunRecord> records;
  add_case(records, "fp8", kDrift, 2);
  add_case(records, "fp8", kDrift, 1);
  for (size_t i = 4; i < 8; ++i) {
    records[i].workload.scope = RunScope::kWarm;
    records[i].id.clear();
    seal(records[i]);
  }
  records.push_back(judged(records[0], how));
  return records;
}

TEST(CaseFidelity, ARunThatWasMadeForItIsNoRunOfTheCase) {
  const std::vector<RunRecord> records = judged_case();
  const std::vector<RunGroup> groups = group_runs(pointers_to(records));
  ASSERT_EQ(groups.size(), 2u) << "cold and warm";
  for (const RunGroup& group : groups) {
    EXPECT_EQ(group.runs.size(), 4u);
    EXPECT_THAT(group.judged, ElementsAre(&records.back())) << "of the same work in either scope";
    const CaseView view = case_view(group, {}, {});
    EXPECT_EQ(view.counted, 4u);
    EXPECT_EQ(view.runs, 4u);
    EXPECT_THAT(view.excluded(), IsEmpty());
    EXPECT_EQ(view.status(), RunStatus::kOk);
    EXPECT_EQ(view.run_names.at(records.back().id), "compared run 1");
    EXPECT_EQ(view.run_names.size(), 5u);
    ASSERT_EQ(view.fidelity.size(), 1u);
    EXPECT_EQ(measured_text(view.fidelity[0]), "31.5 dB, velocity 3 % off, against bf16");
    EXPECT_EQ(noise_floor_text(view.fidelity[0].record()), "bf16 against fp32 45.1 dB, velocity 0.53 % off");
    EXPECT_EQ(view.refuted, "");
  }
}

TEST(CaseFidelity, StandsAloneWhereNothingOfItsWorkIsTimed) {
  std::vector<RunRecord> records = {judged_case().back()};
  const std::vector<RunGroup> groups = group_runs(pointers_to(records));
  ASSERT_EQ(groups.size(), 1u);
  const CaseView view = case_view(groups[0], {}, {});
  ASSERT_TRUE(view.failed);
  EXPECT_THAT(view.failed->reason, HasSubstr("flag fidelity"));
  EXPECT_EQ(view.fidelity.size(), 1u);
  EXPECT_EQ(view.runs, 0u);
}

TEST(CaseFidelity, OfAnotherCardProgramArmOrWorkIsNotTheCases) {
  std::vector<RunRecord> records = judged_case();
  const RunRecord own = records.back();
  const auto is_beside = [&](auto change) {
    records.back() = own;
    change(records.back());
    const std::vector<RunGroup> groups = group_runs(pointers_to(records));
    return !groups[0].judged.empty() && groups[0].runs.size() == 4;
  };
  EXPECT_TRUE(is_beside([](RunRecord&) {}));
  EXPECT_FALSE(is_beside([](RunRecord& run) { run.system.gpus[0].name = "NVIDIA H200"; }));
  EXPECT_FALSE(is_beside([](RunRecord& run) { run.run_case.arm = "b"; }));
  EXPECT_FALSE(is_beside([](RunRecord& run) { run.run_case.name = "other"; }));
  EXPECT_FALSE(is_beside([](RunRecord& run) { run.workload.width = 64; }));
}

TEST(CaseFidelity, TheNewestOfEachReferenceThatEndedCounts) {
  std::vector<RunRecord> records = judged_case();
  const RunRecord first = records.back();
  RunRecord newer = judged(first, {.psnr = 33}), other = judged(first, {.reference = "fp32", .psnr = 29}),
            crashed = newer;
  newer.created_utc = "2026-01-03T00:00:00.000Z";
  other.created_utc = "2026-01-01T12:00:00.000Z";
  crashed.created_utc = "2026-01-04T00:00:00.000Z";
  crashed.status = RunStatus::kCrash;
  for (const RunRecord& record : {newer, other, crashed}) records.push_back(record);
  const RunGroup group = group_runs(pointers_to(records))[0];
  std::vector<std::string> texts;
  for (const FidelityView& view : fidelity_of(group)) texts.push_back(measured_text(view));
  EXPECT_THAT(texts, ElementsAre("33.0 dB, velocity 3 % off, against bf16", "29.0 dB, velocity 3 % off, against fp32"));
  for (RunRecord& record : records)
    if (record.fidelity) record.status = RunStatus::kCrash;
  EXPECT_THAT(fidelity_of(group), IsEmpty());
  EXPECT_EQ(why_no_fidelity(group), "the run against bf16 crashed");
  EXPECT_THAT(why_no_fidelity({}), HasSubstr("--fidelity"));
}

TEST(CaseFidelity, AMeasurementAboveItsBoundRefutesTheClass) {
  const std::vector<RunRecord> records = judged_case({.velocity = 0.09});
  ASSERT_EQ(records.back().status, RunStatus::kQualityFail);
  const CaseView view = case_view(group_runs(pointers_to(records))[0], {}, {});
  EXPECT_EQ(view.refuted,
            "class drift is refuted: a velocity replayed from bf16 is 9 % off in step 2, 6 % is promised");
  EXPECT_THAT(measured_text(view.fidelity.at(0)), HasSubstr("CLASS REFUTED"));
  EXPECT_EQ(view.status(), RunStatus::kOk) << "the timed runs ended well";
}

TEST(CaseFidelity, SaysWhereTheTimedRunsMadeOtherFrames) {
  std::vector<RunRecord> records = judged_case();
  const auto other_frames = [&] { return fidelity_of(group_runs(pointers_to(records))[0]).at(0).other_frames; };
  EXPECT_EQ(other_frames(), "");
  records[1].output.sha256 = "others";
  EXPECT_EQ(other_frames(), "1 of the case's 4 timed runs made other frames than the run that was judged");
  records.back().fidelity->comparison.test_sha256.clear();
  EXPECT_EQ(other_frames(), "") << "of another program's video nobody knows the frames";
}

TEST(CaseFidelity, ARepeatedRunAsksForItAgain) {
  std::vector<RunRecord> records = judged_case();
  const auto command = [&] { return repeat_command(summarise(group_runs(pointers_to(records))[0])); };
  EXPECT_THAT(command(), HasSubstr(" --repeats 4 "));
  EXPECT_THAT(command(), HasSubstr(" --fidelity bf16 "));
  records.back().fidelity->comparison.reference = "plain";
  EXPECT_THAT(command(), HasSubstr(" --case plain --fidelity plain "));
  records.pop_back();
  EXPECT_THAT(command(), Not(HasSubstr("--fidelity")));
}

/// bf16, which is the reference; fp8 and int8 that are faster and further off; stream that is identical and slower.
std::vector<RunRecord> four_settings() {
  std::vector<RunRecord> records;
  add_case(records, "plain", kRounding, 4);
  const auto add_judged = [&](const std::string& name, double step_s, const Judgement& how) {
    add_case(records, name, how.identical ? kRounding : kDrift, step_s);
    records.push_back(judged(records.back(), how));
  };
  const std::string sha256 = "plain frames";
  add_judged("fp8", 3, {.psnr = 33, .reference_sha256 = sha256});
  add_judged("int8", 2, {.psnr = 30, .reference_sha256 = sha256});
  add_judged("slow8", 3.5, {.psnr = 29, .reference_sha256 = sha256});
  add_judged("stream", 5, {.reference_sha256 = sha256, .identical = true});
  return records;
}

TEST(FidelityChart, TheFrontierHasNoneThatIsAsFastAndAsNear) {
  const std::vector<RunRecord> records = four_settings();
  const ReportView view = report_view(pointers_to(records), {}, {});
  ASSERT_EQ(view.fidelity.size(), 1u);
  const FidelityChart& chart = view.fidelity[0];
  EXPECT_THAT(chart.name, HasSubstr("against bf16, NVIDIA H100 80GB HBM3, cold"));
  std::vector<std::string> names, best;
  for (const FidelityPoint& point : chart.points) {
    names.push_back(point.shown->title);
    if (point.on_frontier.at(0)) best.push_back(point.shown->title);
    EXPECT_EQ(point.view == nullptr, point.shown->title == "plain") << "the reference, by its frames";
    EXPECT_EQ(point.is_identical, point.shown->title == "plain" || point.shown->title == "stream");
  }
  EXPECT_THAT(names, ElementsAre("int8", "fp8", "slow8", "plain", "stream"));
  EXPECT_THAT(best, ElementsAre("int8", "fp8", "plain"));
  EXPECT_EQ(chart.points[0].values[0], 30);
  EXPECT_EQ(chart.points[0].values[3], 3);
  EXPECT_EQ(chart.points[4].values[0], std::nullopt) << "a PSNR without end";
}

TEST(FidelityChart, OneJudgedCaseOrTwoReferencesMakeNone) {
  std::vector<RunRecord> records = four_settings();
  for (RunRecord& record : records)
    if (record.fidelity && record.run_case.name == "fp8") {
      record.fidelity->comparison.reference = "another";
      record.fidelity->comparison.reference_sha256 = "another";
    }
  std::erase_if(records, [](const RunRecord& r) { return r.run_case.name == "slow8" || r.run_case.name == "stream"; });
  EXPECT_THAT(report_view(pointers_to(records), {}, {}).fidelity, IsEmpty());
}

TEST(FidelityCells, StandWhereSettingsAreMixedOrJudged) {
  std::vector<RunRecord> records;
  add_case(records, "plain", kRounding, 4);
  EXPECT_FALSE(report_view(pointers_to(records), {}, {}).cases[0].fidelity_cell);
  add_case(records, "fp8", kDrift, 3);
  ReportView view = report_view(pointers_to(records), {}, {});
  for (const CaseView& shown : view.cases) {
    ASSERT_TRUE(shown.fidelity_cell);
    EXPECT_EQ(shown.fidelity_cell->text, "");
    EXPECT_THAT(shown.fidelity_cell->why_none, HasSubstr("--fidelity"));
  }
  records.push_back(judged(records.back(), {.reference_sha256 = "plain frames"}));
  view = report_view(pointers_to(records), {}, {});
  EXPECT_EQ(view.cases[0].fidelity_cell->text, "31.5 dB, velocity 3 % off, against bf16");
  EXPECT_EQ(view.cases[1].fidelity_cell->why_none, "it is the reference of fp8");
}

TEST(Answer, OfOtherClassesSaysWhatIsKnownOfTheirPicture) {
  std::vector<RunRecord> records;
  add_case(records, "case", kRounding, 4);
  add_case(records, "case", kDrift, 2);
  for (size_t i = 0; i < records.size(); ++i) {
    records[i].run_case.arm = i < 4 ? "plain" : "fp8";
    records[i].id.clear();
    seal(records[i]);
  }
  const auto sentence = [&] { return answer_of(report_view(pointers_to(records), {}, {})).sentence; };
  EXPECT_THAT(sentence(), HasSubstr("but not of the same work; fidelity: not measured."));
  records.push_back(judged(records[4], {.reference_sha256 = "case frames"}));
  EXPECT_THAT(sentence(), HasSubstr("; fidelity: fp8 31.5 dB, velocity 3 % off, against bf16."));
}

TEST(Answer, OfSeveralClassesSaysHowManyAreJudged) {
  std::vector<RunRecord> records = four_settings();
  EXPECT_THAT(answer_of(report_view(pointers_to(records), {}, {})).rest,
              HasSubstr("Fidelity is measured of 4 of 5 cases."));
  std::erase_if(records, [](const RunRecord& record) { return record.fidelity.has_value(); });
  EXPECT_THAT(answer_of(report_view(pointers_to(records), {}, {})).rest, HasSubstr("their fidelity is not measured"));
}

}  // namespace
}  // namespace wan
