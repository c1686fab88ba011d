// What a traced run adds to the trace: rows of streams and threads, arrows from launches to kernels.
#include "report/trace_kernels.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <nlohmann/json.hpp>
#include <set>

#include "html_records.h"
#include "report/trace.h"
#include "trace_check.h"

namespace wan {
namespace {

using Json = nlohmann::json;

std::vector<Json> events_of(const std::string& text) {
  return Json::parse(text)["traceEvents"].get<std::vector<Json>>();
}

class TracedTrace : public ::testing::Test {
 protected:
  TracedTrace() {
    for (RunRecord& record : report_records())
      if (record.kernels) run_ = record;
    text_ = report::trace_json({&run_}, {.kernels = {{run_.id, events_}}});
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
  text_ = report::trace_json({&run_}, {.kernels = {{run_.id, events_}}});
  EXPECT_EQ(of_category("launch").size(), 4u);
  EXPECT_EQ(report::trace_problem(text_), "");
}

TEST_F(TracedTrace, ReadingsOfTheMonitorHaveARow) {
  text_ = report::trace_json({&run_}, {.samples = {{run_.id, report_samples()}}});
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
  text_ = report::trace_json({&run_}, {.kernels = {{run_.id, events_}}});
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
  text_ = report::trace_json({&run_}, {.kernels = {{run_.id, events_}}});
  EXPECT_EQ(of_category("device").size(), size_t{kKernels});
  EXPECT_LT(text_.size(), size_t{20'000'000});
}

}  // namespace
}  // namespace wan
