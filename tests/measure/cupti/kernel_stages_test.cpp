// Stages of a video and the kernels of an invented libcupti.
#include "suite/kernel_stages.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/clock.h"

namespace wan::suite {
namespace {

/// The invented kernels run now; the only stage was long ago. How many there are depends on the flushes before.
TEST(KernelStages, SayWhyKernelsAreMissing) {
  NullObserver heard;
  KernelStages stages(heard);
  stages.on_span({{StageRole::kVaeDecoding, -1}, "", false, 10, 20});
  const KernelTrace trace = stages.take();
  EXPECT_TRUE(trace.tables.empty());
  EXPECT_EQ(trace.reason, "no kernel ran in a stage");
  EXPECT_THAT(trace.missing, testing::HasSubstr("begun outside every stage"));
  EXPECT_TRUE(stages.take_events().device.empty()) << "none was asked for";
}

TEST(KernelStages, KeepTheKernelsOfTheWindowsWhenAskedForAll) {
  NullObserver heard;
  KernelStages stages(heard, KeepEvents::kAll);
  stages.on_span({{StageRole::kStepInference, 0}, "", false, 10, 20});
  stages.on_span({{StageRole::kVaeDecoding, -1}, "", false, 20, monotonic_ns() + 1'000'000'000});
  const KernelTrace trace = stages.take();
  const KernelEvents events = stages.take_events();
  EXPECT_EQ(events.stages, kAllStages);
  EXPECT_FALSE(events.device.empty());
  EXPECT_TRUE(stages.take_events().device.empty()) << "they are taken once";
}

}  // namespace
}  // namespace wan::suite
