// The trace passes its checker, and the checker refuses what an importer would draw wrongly.
#include "report/trace.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <nlohmann/json.hpp>

#include "analysis/timeline.h"
#include "html_records.h"
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

TEST(Trace, SamplesBecomeCountersInsteadOfStageValues) {
  const RunRecord record = report_records().front();
  const std::string text = report::trace_json({&record}, {{record.id, report_samples()}});
  EXPECT_EQ(report::trace_problem(text), "");
  std::map<std::string, int> counters;
  const Json trace = Json::parse(text);
  for (const Json& event : trace["traceEvents"])
    if (event["ph"] == "C") ++counters[event["name"]];
  EXPECT_EQ(counters["power_w"], 5);
  EXPECT_EQ(counters["Power (W)"], 0);
  EXPECT_GT(counters["SM clock (MHz)"], 0);
}

/// A process with a row, a counter and an instant, as the writer has them.
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
            metadata("thread_sort_index", 1, {{"sort_index", 0}})}}};
}
constexpr size_t kProcess = 0, kThread = 1, kSlice = 2, kCounter = 3, kInstant = 4, kProcessSort = 5, kLabels = 6,
                 kThreadSort = 7;

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
      {kProcess, "/name", "process_colour", "unknown metadata"},
      {kProcess, "/args", nullptr, "metadata without a right 'name'"},
      {kProcess, "/args/name", "", "metadata without a right 'name'"},
      {kProcess, "/tid", 1, "metadata of a process stands on thread 0"},
      {kThread, "/args/name", 5, "metadata without a right 'name'"},
      {kThread, "/tid", 0, "metadata of a process stands on thread 0"},
      {kProcessSort, "/args/sort_index", "1", "metadata without a right 'sort_index'"},
      {kLabels, "/args/labels", 1, "metadata without a right 'labels'"},
      {kThreadSort, "/args/sort_index", 0.5, "metadata without a right 'sort_index'"},
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
  for (const auto& [event, problem] : {std::pair{kProcess, "process 1 has no name"}, {kThread, "has no name"}}) {
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
      }
    Json name = trace["traceEvents"][kProcess];
    name["pid"] = 2;
    trace["traceEvents"].push_back(name);
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
