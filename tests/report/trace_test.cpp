// The trace passes its checker and says all that a record and its samples know.
#include "report/trace.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <optional>
#include <set>

#include "analysis/timeline.h"
#include "html_records.h"
#include "results/json.h"
#include "trace_check.h"

namespace wan {
namespace {

using Json = nlohmann::json;
using ::testing::HasSubstr;

std::string example_trace(std::vector<RunRecord>& records) {
  records = report_records();
  records.push_back(imported_record());
  std::vector<const RunRecord*> pointers;
  for (const RunRecord& record : records) pointers.push_back(&record);
  return report::trace_json(pointers);
}

/// Whether of two spans of a row that share time, one always contains the other.
bool rows_nest(const std::vector<TimelineSpan>& spans) {
  const auto holds = [](const TimelineSpan& a, const TimelineSpan& b) {
    return a.begin_ns <= b.begin_ns && b.end_ns <= a.end_ns;
  };
  for (const TimelineSpan& a : spans)
    for (const TimelineSpan& b : spans) {
      const bool share_time = a.row == b.row && a.begin_ns < b.end_ns && b.begin_ns < a.end_ns;
      if (share_time && !holds(a, b) && !holds(b, a)) return false;
    }
  return true;
}

TEST(Trace, PassesTheChecker) {
  std::vector<RunRecord> records;
  EXPECT_EQ(report::trace_problem(example_trace(records)), "");
}

TEST(Trace, NoTextOfARecordIsJson) {
  for (const std::string hostile : {"a\",\"ph\":\"i", "a\\", "a\nb", "\x1b[2J", "\x7f", "</script>"}) {
    RunRecord record = report_records().front();
    record.run_case.name = record.stages.front().name = hostile;
    record.validity.push_back({hostile, hostile, "", false});
    const std::string text = report::trace_json({&record});
    EXPECT_EQ(report::trace_problem(text), "") << hostile;
    const Json trace = Json::parse(text, nullptr, false);
    ASSERT_FALSE(trace.is_discarded()) << hostile;
    size_t found = 0;
    for (const Json& event : trace["traceEvents"]) found += event["name"] == hostile ? 1 : 0;
    EXPECT_GE(found, 1u) << hostile;
  }
}

TEST(Trace, HasEverySpanOnce) {
  std::vector<RunRecord> records;
  const Json trace = Json::parse(example_trace(records));
  size_t slices = 0, stages = 0;
  for (const Json& event : trace["traceEvents"]) slices += event["ph"] == "X" ? 1 : 0;
  for (const RunRecord& record : records)
    for (const StageRecord& stage : record.stages)
      stages += !record.imported || stage.kind == StageKind::kLeaf || stage.kind == StageKind::kParent ? 1 : 0;
  EXPECT_EQ(slices, stages);
}

TEST(Trace, HiddenCopiesThatOverlapHaveTheirOwnRows) {
  const RunRecord record = report_records().front();
  const Timeline timeline = timeline_of(record);
  std::vector<std::string> names;
  for (const TimelineRow& row : timeline.rows) names.push_back(row.name);
  EXPECT_THAT(names, ::testing::ElementsAre("Pipeline", "Hidden: h2d", "Hidden: h2d (2)"));
  EXPECT_TRUE(rows_nest(timeline.spans));
}

TEST(Trace, SpansBesideARecordAreDrawnLikeThoseInsideOne) {
  RunRecord record = report_records().front();
  const auto slices = [&](const SpanSet& spans) {
    const Json trace = Json::parse(report::trace_json({&record}, {.spans = {{record.id, spans}}}));
    std::multiset<std::string> found;
    for (Json event : trace["traceEvents"]) {
      if (event["ph"] != "X") continue;
      event["args"].erase("id");  // the records of this test do not number their copies
      found.insert(event.dump());
    }
    return found;
  };
  const auto inside = slices({});
  const SpanSet spans = sum_up_parts(record.stages);
  ASSERT_EQ(spans.parts.size(), 1u);
  EXPECT_EQ(slices(spans), inside);
  EXPECT_EQ(slices({}).size(), inside.size() - 2) << "without the file the sum has no place";
  const Timeline timeline = timeline_of(record, &spans);
  std::vector<std::string> ids;
  for (const TimelineSpan& span : timeline.spans)
    if (span.stage->name == "h2d") ids.push_back(span.id());
  EXPECT_THAT(ids, ::testing::ElementsAre("Step_0_Inference/h2d", "Step_0_Inference/h2d#2"));
}

TEST(Trace, TimesBeforeTheStartMoveTheOriginNotTheSpans) {
  RunRecord record = report_records().front();
  record.stages[0].begin_ns = measured<int64_t>(-200'000, "cuda_event");
  const Timeline timeline = timeline_of(record);
  EXPECT_EQ(timeline.earliest_ns, -200'000);
  EXPECT_TRUE(rows_nest(timeline.spans));
  EXPECT_EQ(timeline.rows.back().name, "Run");
  EXPECT_EQ(report::trace_problem(report::trace_json({&record})), "");
}

TEST(Trace, DurationsWithoutBeginsAreLaidEndToEndAndSaidSo) {
  const RunRecord record = imported_record();
  const Timeline timeline = timeline_of(record);
  EXPECT_TRUE(timeline.reconstructed);
  int64_t last_end = 0;
  for (const TimelineSpan& span : timeline.spans)
    if (span.stage->kind == StageKind::kLeaf && span.end_ns > span.begin_ns) {
      EXPECT_EQ(span.begin_ns, last_end);
      last_end = span.end_ns;
    }
}

std::vector<Json> events_of(const std::string& text) {
  return Json::parse(text)["traceEvents"].get<std::vector<Json>>();
}

/// Begin in microseconds and value of each event of a counter, in the file's order.
using Curve = std::vector<std::pair<double, double>>;

Curve curve_of(const std::string& text, const std::string& name, const std::string& value_name) {
  Curve curve;
  for (const Json& event : events_of(text))
    if (event["ph"] == "C" && event["name"] == name) {
      EXPECT_EQ(event["args"].size(), 1u);
      EXPECT_TRUE(event["args"].contains(value_name)) << event;
      curve.emplace_back(event["ts"], event["args"].value(value_name, -1.0));
    }
  return curve;
}

StageRecord leaf_of(const std::string& name, int64_t begin_ns, int64_t wall_ns) {
  StageRecord stage;
  stage.id = stage.name = name;
  stage.role = stage_from_name(stage.name).role;
  stage.begin_ns = measured(begin_ns, "clock");
  stage.wall_ns = wall_ns;
  return stage;
}

/// Stages of a millisecond each, one after the other.
RunRecord run_of(std::vector<StageRecord> stages) {
  RunRecord record;
  record.stages = std::move(stages);
  for (size_t i = 0; i < record.stages.size(); ++i) {
    record.stages[i].begin_ns = measured(static_cast<int64_t>(i) * 1'000'000, "clock");
    record.stages[i].wall_ns = 1'000'000;
  }
  seal(record);
  return record;
}

/// "name@milliseconds" of each instant of that name, or of all.
std::vector<std::string> instants_of(const std::string& text, const std::string& only = "") {
  std::vector<std::string> out;
  for (const Json& event : events_of(text))
    if (event["ph"] == "i" && (only.empty() || event["name"] == only))
      out.push_back(fmt::format("{}@{}", event["name"].get<std::string>(), event["ts"].get<double>() / 1000));
  return out;
}

Json args_of(const std::string& text, const std::string& id) {
  for (const Json& event : events_of(text))
    if (event["ph"] == "X" && event["args"]["id"] == id) return event["args"];
  ADD_FAILURE() << "no slice " << id;
  return Json::object();
}

TEST(Trace, SamplesBecomeCountersInsteadOfStageValues) {
  const RunRecord record = report_records().front();
  const std::string text = report::trace_json({&record}, {.samples = {{record.id, report_samples()}}});
  EXPECT_EQ(report::trace_problem(text), "");
  const Curve want = {{10'000'000, 600}, {10'100'000, 601}, {10'200'000, 602},
                      {10'300'000, 603}, {10'400'000, 604}, {10'500'000, 0}};
  EXPECT_EQ(curve_of(text, "Power (W)", "reading"), want);
  EXPECT_GT(curve_of(text, "SM clock (MHz)", "median of the stage").size(), 0u);
}

TEST(Trace, ASeriesWithoutValuesLeavesTheStagesOnes) {
  const RunRecord record = report_records().front();
  const SampleSet empty{100, {{"power_w", {}, {}, {}}}};
  EXPECT_GT(curve_of(report::trace_json({&record}, {.samples = {{record.id, empty}}}), "Power (W)", "mean of the stage")
                .size(),
            0u);
}

TEST(Trace, SpansThatOverlapWithoutEndGetSomeRowsAndTheOthersAreCounted) {
  RunRecord run = report_records().front();
  const StageRecord leaf = run.stages.front();
  for (int64_t i = 0; i < 3000; ++i) {
    StageRecord& copy = run.stages.emplace_back(leaf);
    copy.kind = StageKind::kHidden;
    copy.name = "crossing";
    copy.id = fmt::format("crossing#{}", i);
    copy.begin_ns = measured(1'000'000 * i, "clock");
    copy.wall_ns = 1'000'000'000'000;
  }
  const Timeline timeline = timeline_of(run);
  EXPECT_LT(timeline.rows.size(), 50u);
  EXPECT_GT(timeline.left_out, 2900);
  EXPECT_THAT(report::trace_json({&run}), HasSubstr("spans are left out: too many, or too many overlap"));
}

TEST(Trace, OfSpansWithoutEndTheFirstAreDrawnAndTheRunItself) {
  RunRecord run = report_records().front();
  const StageRecord leaf = run.stages.front();
  SpanSet spans;
  PartSpans& part = spans.parts.emplace_back();
  part.id = run.stages.emplace_back(leaf).id = "many";
  run.stages.back().kind = StageKind::kHidden;
  run.stages.back().begin_ns = absent<int64_t>("in the spans file");
  for (int64_t i = 0; i < 100'000; ++i)
    part.spans.push_back({i, 1'000'000 - 2 * i, std::nullopt});  // each within the one before
  const Timeline timeline = timeline_of(run, &spans);
  EXPECT_EQ(timeline.spans.size(), 20'001u);
  EXPECT_GT(timeline.left_out, 79'999);
  EXPECT_TRUE(std::any_of(timeline.spans.begin(), timeline.spans.end(),
                          [&](const TimelineSpan& span) { return span.stage == total_stage(run); }));
}

TEST(Trace, OfAMillionReadingsItShowsTheExtremesAndSaysSo) {
  RunRecord run = report_records().front();
  SampleSet samples{1, {{"power_w", {}, {}, {}}}};
  constexpr int64_t kReadings = 1'000'000, kMillisecond = 1'000'000;
  for (int64_t i = 0; i < kReadings; ++i) {
    samples.series[0].begin_ns.push_back(i * kMillisecond);
    samples.series[0].end_ns.push_back((i + 1) * kMillisecond);
    samples.series[0].values.push_back(i == 777'777 ? 4321.5 : 100 + double(i % 10));
  }
  report::Beside beside;
  beside.samples.emplace(run.id, samples);
  const std::string text = report::trace_json({&run}, beside);
  EXPECT_LT(text.size(), size_t{5} << 20);
  const Json trace = Json::parse(text);
  size_t counters = 0, peaks = 0, ends = 0;
  for (const Json& event : trace.at("traceEvents")) {
    if (event.at("ph") == "i" && event.at("name") == "readings left out") {
      EXPECT_EQ(event.at("args").at("series"), "power_w");
      EXPECT_EQ(event.at("args").at("read"), kReadings);
      EXPECT_LE(event.at("args").at("shown"), 10'000);
    }
    if (event.at("ph") != "C" || event.at("name") != "Power (W)") continue;
    ++counters;
    peaks += event.at("args").at("reading") == 4321.5;
    ends += event.at("args").at("reading") == 0;
  }
  EXPECT_LE(counters, 10'001u);
  EXPECT_EQ(peaks, 1u);
  EXPECT_EQ(ends, 1u) << "readings that are not shown are no gaps";
  EXPECT_NE(text.find("readings left out"), std::string::npos);
}

TEST(Trace, AReadingEndsWhereTheNextIsMissing) {
  const RunRecord record = report_records().front();
  const SampleSet set{100,
                      {{"power_w", {0, 150'000'000, 900'000'000}, {0, 150'000'000, 900'000'000}, {5, 6, 7}},
                       {"process_cpu_cores", {0, 500'000'000}, {90'000'000, 600'000'000}, {1, 2}}}};
  const std::string text = report::trace_json({&record}, {.samples = {{record.id, set}}});
  EXPECT_EQ(curve_of(text, "Power (W)", "reading"),
            (Curve{{0, 5}, {150'000, 6}, {250'000, 0}, {900'000, 7}, {1'000'000, 0}}));
  EXPECT_EQ(curve_of(text, "Process CPU (cores)", "reading"), (Curve{{0, 1}, {90'000, 0}, {500'000, 2}, {600'000, 0}}));
}

TEST(Trace, AStageWithoutAValueEndsTheCounter) {
  RunRecord record = run_of({leaf_of("a", 0, 1), leaf_of("b", 0, 1), leaf_of("c", 0, 1), leaf_of("d", 0, 1)});
  for (const size_t i : {0, 1, 3}) {
    record.stages[i].device_memory.pool_peak_bytes = measured<uint64_t>(10 + i, "engine");
    record.stages[i].power_mean_w = measured(300.0, "nvml");
    record.stages[i].cpu_core_ns = measured<int64_t>(2'500'000, "proc");
  }
  const std::string text = report::trace_json({&record});
  EXPECT_EQ(curve_of(text, "GPU pool (bytes)", "peak of the stage"),
            (Curve{{0, 10}, {1000, 11}, {2000, 0}, {3000, 13}, {4000, 0}}));
  EXPECT_EQ(curve_of(text, "Power (W)", "mean of the stage").size(), 5u);
  EXPECT_EQ(curve_of(text, "Process CPU (cores)", "mean of the stage").front().second, 2.5);
}

TEST(Trace, SwapsOfTheExpertAreInstants) {
  RunRecord record = run_of({leaf_of("Step_0_Inference", 0, 1), leaf_of("Step_1_Inference", 0, 1),
                             leaf_of("Step_2_Loading", 0, 1), leaf_of("Step_2_Inference", 0, 1)});
  const char* const experts[] = {"high_noise", "high_noise", "", "low_noise"};
  for (size_t i = 0; i < 4; ++i) record.stages[i].expert = experts[i];
  EXPECT_THAT(instants_of(report::trace_json({&record})), ::testing::ElementsAre("expert swap@3"));
  record.stages[3].expert = "high_noise";
  EXPECT_THAT(instants_of(report::trace_json({&record})), ::testing::IsEmpty());
}

TEST(Trace, ThrottlingBeginsAndEndsAndAMissingReadingChangesNothing) {
  RunRecord record = run_of({leaf_of("a", 0, 1), leaf_of("b", 0, 1), leaf_of("c", 0, 1), leaf_of("d", 0, 1),
                             leaf_of("e", 0, 1), leaf_of("f", 0, 1)});
  const std::optional<double> percents[] = {0, 3.5, std::nullopt, 80, 0, std::nullopt};
  for (size_t i = 0; i < 6; ++i)
    record.stages[i].throttled_percent =
        percents[i] ? measured(*percents[i], "nvml") : absent<double>("below_resolution");
  const std::string text = report::trace_json({&record});
  EXPECT_EQ(report::trace_problem(text), "");
  EXPECT_THAT(instants_of(text), ::testing::ElementsAre("throttle onset@1", "throttle end@4"));
}

TEST(Trace, FlagsAndTheEndOfAFailedRunAreInstants) {
  RunRecord record = run_of({leaf_of("T5_Encoding", 0, 1), leaf_of("Step_0_Loading", 0, 1),
                             leaf_of("Step_0_Inference", 0, 1), leaf_of("VAE_Decoding", 0, 1)});
  record.validity = {{"foreign_gpu_process", "pid 7", "", true},
                     {"drift", "+3 %", "Step_*_Inference", false},
                     {"slow", "", "VAE_Decoding", false}};
  record.stages[1].flags = {"late"};
  record.status = RunStatus::kOutOfMemory;
  record.error = ErrorFacts{};
  record.error->stage = "VAE_Decoding";
  record.error->requested_bytes = measured<uint64_t>(77, "engine");
  const std::string text = report::trace_json({&record});
  EXPECT_EQ(report::trace_problem(text), "");
  EXPECT_THAT(instants_of(text),
              ::testing::UnorderedElementsAre("foreign_gpu_process@0", "drift@2", "slow@3", "late@1", "oom@4"));
  for (const Json& event : events_of(text)) {
    if (event["name"] == "foreign_gpu_process") {
      EXPECT_EQ(event["args"], (Json{{"detail", "pid 7"}, {"excludes", true}, {"stage", "whole run"}}));
    }
    if (event["name"] == "oom") {
      EXPECT_EQ(event["args"]["requested_bytes"], 77);
    }
  }
}

TEST(Trace, StepsHaveShapeExpertAndRateCopiesBytesAndRate) {
  RunRecord record = report_records().front();
  StageRecord* step = nullptr;
  for (StageRecord& stage : record.stages)
    if (stage.id == "Step_1_Inference") step = &stage;
  ASSERT_NE(step, nullptr);
  step->expert = "low_noise";
  step->moved_bytes = measured<uint64_t>(5, "engine");
  step->flops = measured(8e12, "engine");
  step->gpu_ns = measured<int64_t>(2'000'000'000, "cuda_event");
  const std::string text = report::trace_json({&record});
  const Json args = args_of(text, "Step_1_Inference");
  EXPECT_DOUBLE_EQ(args["tflop_per_s"], 4);
  EXPECT_EQ(args["size"], "1280x704");
  EXPECT_EQ(args["frames"], 121);
  EXPECT_EQ(args["steps"], 5);
  EXPECT_EQ(args["expert"], "low_noise");
  EXPECT_FALSE(args.contains("gb_per_s")) << "what moved during a step did so at no rate of the step";
  EXPECT_EQ(args_of(text, "Step_1_Inference/cond")["expert"], "low_noise");
  EXPECT_FALSE(args_of(text, "Step_0_Inference/cond").contains("expert"));
  const StageRecord* copy = find_stage(record, "Step_0_Inference/h2d");
  const Json copy_args = args_of(text, copy->id);
  EXPECT_EQ(copy_args["moved_bytes"], uint64_t{500} << 20);
  EXPECT_FLOAT_EQ(copy_args["gb_per_s"],
                  static_cast<double>(uint64_t{500} << 20) / 1e9 / (static_cast<double>(copy->wall_ns) / 1e9));

  step->gpu_ns = absent<int64_t>("not_measured");
  step->wall_ns = 1'000'000'000;
  EXPECT_DOUBLE_EQ(args_of(report::trace_json({&record}), "Step_1_Inference")["tflop_per_s"], 8);
}

TEST(Trace, NumbersAreShortEnoughForPerfetto) {
  RunRecord record = run_of({leaf_of("T5_Encoding", 0, 1)});
  record.stages[0].flops = measured(4'764'160.0, "engine");
  record.stages[0].gpu_ns = measured<int64_t>(46'665'850, "cuda_event");
  record.stages[0].power_mean_w = measured(1.0 / 9001, "nvml");
  record.stages[0].energy_j = measured(1.0 / 9001, "nvml");
  const std::string text = report::trace_json({&record});
  EXPECT_THAT(text, HasSubstr("\"tflop_per_s\":0.000102090929448"));
  for (size_t at = 0; (at = text.find('.', at)) != std::string::npos; ++at)
    EXPECT_LT(text.find_first_not_of("0123456789", at + 1) - at, 19u) << text.substr(at - 20, 60);
}

TEST(Trace, SaysWhichRunItIsAndHowWellTheClocksAgree) {
  RunRecord record = report_records().front();
  record.workload.page_cache = PageCache::kEvicted;
  const auto labels = [&] {
    for (const Json& event : events_of(report::trace_json({&record})))
      if (event["name"] == "process_labels") return event["args"]["labels"].get<std::string>();
    return std::string();
  };
  EXPECT_EQ(labels(), "run " + record.id + ", page cache evicted, clock residual 0.001 ms");
  const Json args = args_of(report::trace_json({&record}), "Total_Execution");
  EXPECT_EQ(args["run_id"], record.id);
  EXPECT_EQ(args["gpu_clock_residual_ns"], 1200);
  EXPECT_EQ(args["page_cache"], "evicted");
  record.clock.gpu_residual_ns = absent<int64_t>("no_card");
  EXPECT_THAT(labels(), HasSubstr("clock residual unknown: no_card"));
}

TEST(Trace, APartThatBeginsInAnotherStageHasARowNamedAfterIt) {
  RunRecord record = run_of({leaf_of("Step_0_Loading", 0, 1), leaf_of("Step_0_Inference", 0, 1)});
  StageRecord part = leaf_of("cond", 500'000, 1'000'000);
  part.id = "Step_0_Inference/cond";
  part.parent = "Step_0_Inference";
  part.kind = StageKind::kComponent;
  record.stages.push_back(part);
  const std::string text = report::trace_json({&record});
  EXPECT_EQ(report::trace_problem(text), "");
  std::vector<std::string> rows;
  for (const Json& event : events_of(text))
    if (event["name"] == "thread_name") rows.push_back(event["args"]["name"]);
  EXPECT_THAT(rows, ::testing::ElementsAre("Pipeline", "Across stages: cond"));
}

}  // namespace
}  // namespace wan
