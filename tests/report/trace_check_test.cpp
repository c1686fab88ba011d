// The checker refuses what an importer would drop or draw wrongly.
#include "trace_check.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace wan {
namespace {

using Json = nlohmann::json;
using ::testing::HasSubstr;

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
                                       {kThreadSort, "thread 1 of process 1 has no place in the order"},
                                       {kArrowEnd, "arrows without a begin or an end"}}) {
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
