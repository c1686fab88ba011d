// The trace passes its checker, and the checker refuses what an importer would draw wrongly.
#include "report/trace.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <nlohmann/json.hpp>

#include "analysis/timeline.h"
#include "html_records.h"

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

TEST(TraceChecker, RefusesWhatDoesNotNest) {
  const Json name = {{"ph", "M"}, {"name", "thread_name"}, {"pid", 1}, {"tid", 1}, {"args", {{"name", "row"}}}};
  const auto slice = [](const char* title, double begin, double length) {
    return Json{{"ph", "X"}, {"name", title}, {"pid", 1}, {"tid", 1}, {"ts", begin}, {"dur", length}};
  };
  const auto problem = [&](const std::vector<Json>& events) {
    return report::trace_problem(Json{{"traceEvents", events}}.dump());
  };
  EXPECT_EQ(problem({name, slice("a", 0, 10), slice("b", 2, 3), slice("c", 5, 5), slice("d", 10, 1)}), "");
  EXPECT_THAT(problem({name, slice("a", 0, 10), slice("b", 5, 10)}), HasSubstr("'a' and 'b' share time"));
  EXPECT_THAT(problem({slice("a", 0, 10)}), HasSubstr("has no name"));
  EXPECT_THAT(problem({name, slice("a", -1, 10)}), HasSubstr("no time 'ts'"));
  EXPECT_THAT(problem({{{"ph", "C"}, {"name", "n"}, {"pid", 1}, {"tid", 0}, {"ts", 0}, {"args", {{"v", "x"}}}}}),
              HasSubstr("not a number"));
  EXPECT_EQ(report::trace_problem("{"), "not JSON");
}

}  // namespace
}  // namespace wan
