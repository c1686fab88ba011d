// The kernel collector against an invented libcupti.
#include "measure/kernel_collector.h"

#include <unistd.h>

#include <gtest/gtest.h>

#include "base/clock.h"

namespace wan::measure {
namespace {

/// The invented library counts its flushes over the process, so one test walks through a collector's life.
TEST(KernelCollector, ReadsKernelsCopiesAndFillsByTheHostsClock) {
  const int64_t before = monotonic_ns();
  KernelCollector collector;
  ASSERT_EQ(collector.reason(), "");

  const KernelCollector second;
  EXPECT_EQ(second.reason(), "another kernel trace of this process is running");

  const CollectedKernels first = collector.take();
  ASSERT_EQ(first.names.size(), 4u);
  EXPECT_EQ(first.names[0].name, "map_kernel<1>");
  EXPECT_EQ(first.names[0].kind, KernelKind::kElementwise);
  EXPECT_EQ(first.names[1].kind, KernelKind::kGemm);
  EXPECT_EQ(first.names[2].name, "copy, pinned host to device");
  EXPECT_EQ(first.names[3].name, "fill");
  EXPECT_EQ(first.names[3].kind, KernelKind::kCopy);
  ASSERT_EQ(first.runs.size(), 4u);
  for (size_t i = 0; i < first.runs.size(); ++i) EXPECT_EQ(first.runs[i].name, i);
  EXPECT_GE(first.runs[0].interval.begin_ns, before);
  EXPECT_LE(first.runs[0].interval.begin_ns, monotonic_ns());
  EXPECT_EQ(first.runs[1].interval.length_ns(), 200);
  EXPECT_EQ(first.runs[2].interval.length_ns(), 50);
  EXPECT_EQ(first.runs[3].interval.length_ns(), 10);
  EXPECT_EQ(first.launches[first.runs[0].launch], (LaunchShape{{132, 1, 1}, {384, 1, 1}, 168, 3072}));
  EXPECT_EQ(first.launches.size(), 1u);
  EXPECT_EQ(first.runs[0].stream, 7u);
  EXPECT_EQ(first.runs[0].correlation, 40u);
  EXPECT_EQ(first.runs[2].launch, kNoLaunch);
  EXPECT_EQ(first.runs[2].bytes, 4096);
  EXPECT_EQ(first.runs[2].stream, 13u);
  ASSERT_EQ(first.calls.size(), 3u) << "one has no time";
  EXPECT_EQ(first.call_names[first.calls[0].name], "cudaLaunchKernel") << "without its version";
  EXPECT_EQ(first.call_names[first.calls[1].name], "cuLaunchKernel_ptsz");
  EXPECT_EQ(first.call_names[first.calls[2].name], "runtime call 999");
  EXPECT_EQ(first.calls[0].correlation, 40u);
  EXPECT_EQ(first.threads[first.calls[0].thread].id, ::gettid());
  EXPECT_EQ(first.threads[first.calls[0].thread].name, "cupti_test");
  EXPECT_EQ(describe(first.missing),
            "2 without a time, 1 whose end is before their begin, 4 dropped by CUPTI for want of a buffer "
            "(calls of the host may be among them)");
  EXPECT_EQ(first.missing.lost(), 7);

  const CollectedKernels next = collector.take();
  ASSERT_EQ(next.runs.size(), 1u) << "what was taken before is gone";
  EXPECT_EQ(next.names[next.runs[0].name].name, "map_kernel<1>");
  EXPECT_EQ(next.missing, MissingKernels{});
}

TEST(KernelCollector, AnotherMayFollow) {
  { const KernelCollector collector; }
  const KernelCollector collector;
  EXPECT_EQ(collector.reason(), "");
}

}  // namespace
}  // namespace wan::measure
