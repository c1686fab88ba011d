// The trace passes its checker, and the checker refuses what an importer would draw wrongly.
#include "report/trace.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
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
  const std::string text = report::trace_json({&record}, {{record.id, report_samples()}});
  EXPECT_EQ(report::trace_problem(text), "");
  const Curve want = {{10'000'000, 600}, {10'100'000, 601}, {10'200'000, 602},
                      {10'300'000, 603}, {10'400'000, 604}, {10'500'000, 0}};
  EXPECT_EQ(curve_of(text, "Power (W)", "reading"), want);
  EXPECT_GT(curve_of(text, "SM clock (MHz)", "median of the stage").size(), 0u);
}

TEST(Trace, ASeriesWithoutValuesLeavesTheStagesOnes) {
  const RunRecord record = report_records().front();
  const SampleSet empty{100, {{"power_w", {}, {}, {}}}};
  EXPECT_GT(curve_of(report::trace_json({&record}, {{record.id, empty}}), "Power (W)", "mean of the stage").size(), 0u);
}

TEST(Trace, AReadingEndsWhereTheNextIsMissing) {
  const RunRecord record = report_records().front();
  const SampleSet set{100,
                      {{"power_w", {0, 150'000'000, 900'000'000}, {0, 150'000'000, 900'000'000}, {5, 6, 7}},
                       {"process_cpu_cores", {0, 500'000'000}, {90'000'000, 600'000'000}, {1, 2}}}};
  const std::string text = report::trace_json({&record}, {{record.id, set}});
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

class TracedTrace : public ::testing::Test {
 protected:
  TracedTrace() {
    for (RunRecord& record : report_records())
      if (record.kernels) run_ = record;
    text_ = report::trace_json({&run_}, {}, {{run_.id, events_}});
  }

  std::string thread_of(const Json& event) const {
    for (const Json& other : events_of(text_))
      if (other["name"] == "thread_name" && other["tid"] == event["tid"]) return other["args"]["name"];
    return "";
  }
  std::vector<Json> of_category(const char* category) const {
    std::vector<Json> found;
    for (const Json& event : events_of(text_))
      if (event.contains("cat") && event["cat"] == category) found.push_back(event);
    return found;
  }

  KernelEvents events_ = report_kernel_events();
  RunRecord run_;
  std::string text_;
};

TEST_F(TracedTrace, HasARowAStreamAndAHostThreadAndPassesTheChecker) {
  EXPECT_EQ(report::trace_problem(text_), "");
  std::vector<std::string> device, host;
  for (const Json& event : of_category("device")) device.push_back(thread_of(event));
  for (const Json& event : of_category("host")) host.push_back(thread_of(event));
  EXPECT_THAT(device, ::testing::ElementsAre("CUDA stream 7", "CUDA stream 7", "CUDA stream 7 (2)", "CUDA stream 13"))
      << "the kernel that begins before the other ends does not nest";
  EXPECT_THAT(host, ::testing::ElementsAre("Host thread 4711 wanbench", "Host thread 4711 wanbench",
                                           "Host thread 4711 wanbench", "Host thread 4712"));
}

TEST_F(TracedTrace, KernelsSayHowTheyWereLaunchedAndWhenCopiesHowFast) {
  const auto device = of_category("device");
  ASSERT_EQ(device.size(), 4u);
  EXPECT_EQ(device[0]["name"], "attention_kernel<(Pass)0>");
  EXPECT_EQ(device[0]["args"], Json({{"kind", "attention"},
                                     {"correlation", 100},
                                     {"stage", "Step_2_Inference"},
                                     {"step", 2},
                                     {"grid", "132x1x1"},
                                     {"block", "384x1x1"},
                                     {"registers", 168},
                                     {"shared_bytes", 215040}}));
  EXPECT_EQ(device[3]["args"]["moved_bytes"], 20'000'000);
  EXPECT_EQ(device[3]["args"]["gb_per_s"], 50);
}

TEST_F(TracedTrace, ArrowsLeadFromTheLaunchToItsKernel) {
  std::map<int64_t, std::pair<std::string, std::string>> arrows;
  for (const Json& event : of_category("launch"))
    (event["ph"] == "s" ? arrows[event["id"]].first : arrows[event["id"]].second) = thread_of(event);
  std::vector<std::pair<std::string, std::string>> ends;
  for (const auto& [id, both] : arrows) ends.push_back(both);
  EXPECT_THAT(ends, ::testing::ElementsAre(::testing::Pair("Host thread 4711 wanbench", "CUDA stream 7"),
                                           ::testing::Pair("Host thread 4712", "CUDA stream 13"),
                                           ::testing::Pair("Host thread 4711 wanbench", "CUDA stream 7 (2)")))
      << "none of the kernel whose launch is not known";
}

TEST_F(TracedTrace, AnArrowNeverPointsBack) {
  events_.device[0].begin_ns = events_.host[0].begin_ns - 1;
  text_ = report::trace_json({&run_}, {}, {{run_.id, events_}});
  EXPECT_EQ(of_category("launch").size(), 4u);
  EXPECT_EQ(report::trace_problem(text_), "");
}

TEST_F(TracedTrace, ReadingsOfTheMonitorHaveARow) {
  text_ = report::trace_json({&run_}, {{run_.id, report_samples()}});
  size_t readings = 0;
  for (const Json& event : events_of(text_)) readings += event["name"] == "reading" && thread_of(event) == "Sampler";
  std::set<int64_t> instants;
  for (const SampleSeries& series : report_samples().series)
    instants.insert(series.end_ns.begin(), series.end_ns.end());
  EXPECT_EQ(readings, instants.size());
  EXPECT_EQ(report::trace_problem(text_), "");
}

TEST_F(TracedTrace, AGraphCaptureIsAnInstant) {
  events_.call_names[2] = "cudaStreamBeginCapture";
  text_ = report::trace_json({&run_}, {}, {{run_.id, events_}});
  size_t captures = 0;
  for (const Json& event : events_of(text_)) captures += event["name"] == "graph capture" && event["ph"] == "i";
  EXPECT_EQ(captures, 1u);
}

/// The size that docs/formats.md promises, for a step as large as they are: five kernels and ten calls a millisecond.
TEST_F(TracedTrace, OfAStepIsSmall) {
  constexpr int kKernels = 12'000;
  events_.device.clear();
  events_.host.clear();
  for (uint32_t i = 0; i < kKernels; ++i) {
    const int64_t at_ns = 15'000'000'000 + int64_t{i} * 200'000;
    events_.device.push_back({at_ns + 20'000, at_ns + 200'000, i % 2, i % 2, 7, i, 0});
    events_.host.push_back({at_ns, at_ns + 5'000, 0, 0, i});
    events_.host.push_back({at_ns + 6'000, at_ns + 9'000, 2, 0, kKernels + i});
  }
  text_ = report::trace_json({&run_}, {}, {{run_.id, events_}});
  EXPECT_EQ(of_category("device").size(), size_t{kKernels});
  EXPECT_LT(text_.size(), size_t{20'000'000});
}

/// A process with a row, a counter, an instant and an arrow, as the writer has them.
Json right_trace() {
  const auto metadata = [](const char* name, int thread, Json args) {
    return Json{{"ph", "M"}, {"name", name}, {"pid", 1}, {"tid", thread}, {"args", std::move(args)}};
  };
  return {{"displayTimeUnit", "ms"},
          {"traceEvents",
           {metadata("process_name", 0, {{"name", "a run"}}), metadata("thread_name", 1, {{"name", "row"}}),
            Json{{"ph", "X"}, {"name", "a"}, {"cat", "leaf"}, {"pid", 1}, {"tid", 1}, {"ts", 0}, {"dur", 10.5}},
            Json{{"ph", "C"}, {"name", "W"}, {"pid", 1}, {"tid", 0}, {"ts", 1}, {"args", {{"value", 600.5}}}},
            Json{{"ph", "i"}, {"s", "p"}, {"name", "oom"}, {"pid", 1}, {"tid", 0}, {"ts", 2}},
            metadata("process_sort_index", 0, {{"sort_index", 1}}), metadata("process_labels", 0, {{"labels", ""}}),
            metadata("thread_sort_index", 1, {{"sort_index", 0}}),
            Json{{"ph", "s"}, {"name", "l"}, {"cat", "launch"}, {"id", 1}, {"pid", 1}, {"tid", 1}, {"ts", 1}},
            Json{{"ph", "f"},
                 {"name", "l"},
                 {"cat", "launch"},
                 {"id", 1},
                 {"pid", 1},
                 {"tid", 1},
                 {"ts", 2},
                 {"bp", "e"}}}}};
}
constexpr size_t kProcess = 0, kThread = 1, kSlice = 2, kCounter = 3, kInstant = 4, kProcessSort = 5, kLabels = 6,
                 kThreadSort = 7, kArrowBegin = 8, kArrowEnd = 9;

TEST(TraceChecker, AcceptsEveryPhaseTheWriterUses) { EXPECT_EQ(report::trace_problem(right_trace().dump()), ""); }

TEST(TraceChecker, EachRuleOfAnEventCanFail) {
  struct Wrong {
    size_t event;
    const char* at;  // JSON pointer into the event
    Json value;      // null: the field is taken away
    const char* problem;
  };
  const Wrong cases[] = {
      {kSlice, "/ph", nullptr, "no text 'ph'"},
      {kSlice, "/ph", 7, "no text 'ph'"},
      {kSlice, "/ph", "B", "unknown phase"},
      {kSlice, "/name", nullptr, "no text 'name'"},
      {kSlice, "/name", "", "no text 'name'"},
      {kSlice, "/pid", nullptr, "no whole number 'pid'"},
      {kSlice, "/pid", "1", "no whole number 'pid'"},
      {kSlice, "/pid", -1, "no whole number 'pid'"},
      {kSlice, "/tid", nullptr, "no whole number 'tid'"},
      {kSlice, "/tid", 1.5, "no whole number 'tid'"},
      {kSlice, "/ts", nullptr, "no time 'ts'"},
      {kSlice, "/ts", "0", "no time 'ts'"},
      {kSlice, "/ts", -1, "no time 'ts'"},
      {kSlice, "/dur", nullptr, "no duration 'dur'"},
      {kSlice, "/dur", "10", "no duration 'dur'"},
      {kSlice, "/dur", -0.5, "no duration 'dur'"},
      {kSlice, "/cat", 3, "category 'cat' is not text"},
      {kSlice, "/args", Json::array(), "'args' is not an object"},
      {kSlice, "/tid", 2, "thread 2 of process 1 has no name"},
      {kCounter, "/pid", 2, "process 2 has no name"},
      {kCounter, "/ts", nullptr, "no time 'ts'"},
      {kCounter, "/args", nullptr, "counter without value"},
      {kCounter, "/args", Json::object(), "counter without value"},
      {kCounter, "/args/value", "600", "counter value is not a number"},
      {kCounter, "/args/value", true, "counter value is not a number"},
      {kCounter, "/dur", 1, "a duration where the phase has none"},
      {kInstant, "/s", nullptr, "scope 's' is not t, p or g"},
      {kInstant, "/s", "x", "scope 's' is not t, p or g"},
      {kInstant, "/ts", nullptr, "no time 'ts'"},
      {kInstant, "/s", "t", "thread 0 of process 1 has no name"},
      {kProcess, "/name", "process_colour", "unknown metadata"},
      {kProcess, "/args", nullptr, "metadata without a right 'name'"},
      {kProcess, "/args/name", "", "metadata without a right 'name'"},
      {kProcess, "/tid", 1, "metadata of a process stands on thread 0"},
      {kThread, "/args/name", 5, "metadata without a right 'name'"},
      {kThread, "/tid", 0, "metadata of a process stands on thread 0"},
      {kProcessSort, "/args/sort_index", "1", "metadata without a right 'sort_index'"},
      {kLabels, "/args/labels", 1, "metadata without a right 'labels'"},
      {kThreadSort, "/args/sort_index", 0.5, "metadata without a right 'sort_index'"},
      {kArrowBegin, "/id", nullptr, "an arrow without a whole number 'id'"},
      {kArrowBegin, "/cat", nullptr, "an arrow without 'cat'"},
      {kArrowBegin, "/ts", nullptr, "no time 'ts'"},
      {kArrowBegin, "/id", 2, "arrow 2 has no end"},
      {kArrowBegin, "/ts", 3, "arrow 1 points back in time"},
      {kArrowEnd, "/bp", nullptr, "an arrow's end not bound to its slice"},
      {kArrowEnd, "/ph", "s", "two arrows of one id"},
      {kArrowEnd, "/ts", 11, "arrow 1 is outside of every slice"},
      {kArrowEnd, "/tid", 2, "thread 2 of process 1 has no name"},
  };
  for (const Wrong& wrong : cases) {
    Json trace = right_trace();
    Json& event = trace["traceEvents"][wrong.event];
    const Json::json_pointer at(wrong.at);
    if (wrong.value.is_null())
      event[at.parent_pointer()].erase(at.back());
    else
      event[at] = wrong.value;
    EXPECT_THAT(report::trace_problem(trace.dump()), HasSubstr(wrong.problem)) << event;
  }
}

TEST(TraceChecker, EachRuleOfTheFileCanFail) {
  EXPECT_EQ(report::trace_problem("{"), "not JSON");
  EXPECT_EQ(report::trace_problem("[]"), "no array traceEvents");
  EXPECT_EQ(report::trace_problem(R"({"traceEvents": {}})"), "no array traceEvents");
  EXPECT_THAT(report::trace_problem(R"({"traceEvents": [1]})"), HasSubstr("not an object"));
  Json trace = right_trace();
  trace["displayTimeUnit"] = "s";
  EXPECT_EQ(report::trace_problem(trace.dump()), "displayTimeUnit is neither ms nor ns");
  trace = right_trace();
  trace["traceEvents"].push_back(trace["traceEvents"][kThread]);
  EXPECT_THAT(report::trace_problem(trace.dump()), HasSubstr("the same metadata twice"));
  for (const auto& [event, problem] : {std::pair{kProcess, "process 1 has no name"},
                                       {kThread, "has no name"},
                                       {kProcessSort, "process 1 has no place in the order"},
                                       {kThreadSort, "thread 1 of process 1 has no place in the order"}}) {
    trace = right_trace();
    trace["traceEvents"].erase(event);
    EXPECT_THAT(report::trace_problem(trace.dump()), HasSubstr(problem));
  }
}

TEST(TraceChecker, SlicesNestOnEachThreadOfEachProcess) {
  const auto problem = [&](const std::vector<Json>& slices) {
    Json trace = right_trace();  // its own slice lasts from 0 to 10.5
    for (const int process : {1, 2})
      for (const int thread : {1, 2}) {
        if (process == 1 && thread == 1) continue;
        Json name = trace["traceEvents"][kThread];
        name["pid"] = process;
        name["tid"] = thread;
        trace["traceEvents"].push_back(name);
        Json place = trace["traceEvents"][kThreadSort];
        place["pid"] = process;
        place["tid"] = thread;
        trace["traceEvents"].push_back(place);
      }
    for (const size_t of_process : {kProcess, kProcessSort}) {
      Json event = trace["traceEvents"][of_process];
      event["pid"] = 2;
      trace["traceEvents"].push_back(event);
    }
    for (const Json& slice : slices) trace["traceEvents"].push_back(slice);
    return report::trace_problem(trace.dump());
  };
  const auto slice = [](const char* title, int process, int thread, double begin, double length) {
    return Json{{"ph", "X"}, {"name", title}, {"pid", process}, {"tid", thread}, {"ts", begin}, {"dur", length}};
  };
  EXPECT_EQ(problem({slice("b", 1, 1, 2, 3), slice("c", 1, 1, 5, 5.5), slice("d", 1, 1, 10.5, 1)}), "");
  EXPECT_THAT(problem({slice("b", 1, 1, 5, 10)}), HasSubstr("'a' and 'b' share time"));
  EXPECT_EQ(problem({slice("b", 1, 2, 5, 10)}), "") << "another thread";
  EXPECT_EQ(problem({slice("b", 2, 1, 5, 10)}), "") << "another process";
}

}  // namespace
}  // namespace wan
