// Stages of a video and the kernels of an invented libcupti.
#include "suite/kernel_stages.h"

#include <map>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace wan::suite {
namespace {

class Facts final : public Observer {
 public:
  void on_span(const StageSpan&) override {}
  void on_begin(Stage, int, int) override {}
  void on_memory(const MemoryMark&) override {}
  void on_fact(const std::string& key, const std::string& value) override { facts[key] = value; }
  std::map<std::string, std::string> facts;
};

/// The invented kernels run now; the only stage was long ago. How many there are depends on the flushes before.
TEST(KernelStages, PassOnWhyKernelsAreMissing) {
  Facts heard;
  KernelStages stages(heard);
  stages.on_span({Stage::kVaeDecoding, -1, "", false, 10, 20, 0, 0});
  const KernelTrace trace = stages.take();
  EXPECT_TRUE(trace.tables.empty());
  EXPECT_EQ(trace.reason, "no kernel ran in a stage");
  EXPECT_THAT(heard.facts[kMissingKernelsFact], testing::HasSubstr("begun outside every stage"));
  EXPECT_EQ(stages.missing(), heard.facts[kMissingKernelsFact]);
}

}  // namespace
}  // namespace wan::suite
