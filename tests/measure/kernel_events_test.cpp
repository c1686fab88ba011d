// Which kernels and calls are kept one by one.
#include "measure/kernel_events.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace wan::measure {
namespace {

StageWindow step(int64_t begin_ns, int64_t length_ns) { return {kStepStages, {begin_ns, begin_ns + length_ns}}; }

TEST(SteadyStep, IsOfMedianLengthAndNotTheFirst) {
  const StageWindow found = steady_step({{"T5_Encoding", {0, 50}},
                                         step(100, 30),
                                         step(200, 35),
                                         step(300, 40),
                                         step(400, 33),
                                         {"VAE_Decoding", {500, 535}}});
  EXPECT_EQ(found.stages, "Step_1");
  EXPECT_EQ(found.interval.begin_ns, 200);
}

TEST(SteadyStep, OfTwoIsTheSecondAndOfOneThatOne) {
  EXPECT_EQ(steady_step({step(0, 30), step(30, 90)}).stages, "Step_1");
  EXPECT_EQ(steady_step({step(0, 30)}).stages, "Step_0");
  EXPECT_EQ(steady_step({{"VAE_Decoding", {0, 9}}}).interval.length_ns(), 0);
}

CollectedKernels collected() {
  CollectedKernels all;
  all.names = {{"unused", KernelKind::kOther}, {"gemm", KernelKind::kGemm}, {"copy", KernelKind::kCopy}};
  all.launches = {{{1, 1, 1}, {32, 1, 1}, 8, 0}, {{132, 1, 1}, {384, 1, 1}, 168, 1024}};
  all.call_names = {"cudaGetLastError", "cudaLaunchKernel", "cudaEventSynchronize"};
  all.threads = {{1, "gone"}, {2, "main"}};
  all.runs = {{{1000, 1500}, 0, 0, 7, 1, 0},                 // before
              {{150'000, 160'000}, 2, kNoLaunch, 9, 4, 64},  // within, and reported before an earlier one
              {{90'000, 110'000}, 1, 1, 7, 2, 0},            // began before the window
              {{200'000, 210'000}, 1, 1, 7, 5, 0}};          // begins at its end
  all.calls = {{500, 900, 1, 1, 1},
               {80'000, 80'500, 1, 1, 2},  // launches what the window has
               {120'000, 120'000 + kShortCallNs - 1, 0, 1, 3},
               {130'000, 131'000, 1, 1, 4},  // short, but it launches
               {140'000, 140'000 + kShortCallNs, 2, 1, 6}};
  return all;
}

TEST(EventsOf, AWindowAreWhatRanInItAndTheirLaunchesAndLongCalls) {
  const KernelEvents events = events_of(collected(), {"Step_3", {100'000, 200'000}});
  EXPECT_EQ(events.stages, "Step_3");
  ASSERT_EQ(events.device.size(), 2u);
  EXPECT_EQ(events.device[0].begin_ns, 90'000) << "by begin";
  EXPECT_EQ(events.names[events.device[0].name].name, "gemm");
  ASSERT_TRUE(events.device[0].launch);
  EXPECT_EQ(events.launches[*events.device[0].launch].registers, 168);
  EXPECT_FALSE(events.device[1].launch);
  EXPECT_EQ(events.device[1].bytes, 64);
  EXPECT_EQ(events.device[1].stream, 9u);
  std::vector<uint32_t> calls;
  for (const HostCall& call : events.host) calls.push_back(call.correlation);
  EXPECT_THAT(calls, ::testing::ElementsAre(2, 4, 6));
  EXPECT_EQ(events.call_names[events.host[2].name], "cudaEventSynchronize");
  EXPECT_EQ(events.threads[events.host[0].thread].name, "main");
}

TEST(EventsOf, NamesThatNoEventHasAreLeftOut) {
  const KernelEvents events = events_of(collected(), {"Step_3", {100'000, 200'000}});
  EXPECT_EQ(events.names.size(), 2u);
  EXPECT_EQ(events.launches.size(), 1u);
  EXPECT_EQ(events.call_names.size(), 2u);
  EXPECT_EQ(events.threads.size(), 1u);
}

TEST(EventsOf, NoWindowAreNone) {
  const KernelEvents events = events_of(collected(), {});
  EXPECT_TRUE(events.device.empty());
  EXPECT_TRUE(events.host.empty());
}

}  // namespace
}  // namespace wan::measure
