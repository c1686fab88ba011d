// Cards by name and number.
#include "results/device_name.h"

#include <gtest/gtest.h>

namespace wan {
namespace {

RunRecord on(const std::vector<std::string>& names) {
  RunRecord record;
  record.system.cpu_model = "A CPU";
  for (const std::string& name : names) record.system.gpus.emplace_back().name = name;
  return record;
}

TEST(DeviceName, CountsCardsOfOneName) {
  EXPECT_EQ(device_name(on({"A"})), "A");
  EXPECT_EQ(device_name(on({"A", "A"})), "2x A");
  EXPECT_EQ(device_name(on({"A", "A", "B"})), "2x A + B");
}

TEST(DeviceName, IsTheCpuWhereNoCardComputed) {
  EXPECT_EQ(device_name(on({})), "A CPU");
  RunRecord record = on({"A"});
  record.engine.device = "cpu";
  EXPECT_EQ(device_name(record), "A CPU");
  EXPECT_EQ(gpu_text(record.system), "A");
}

TEST(DeviceName, OfALostRunIsAWordThatTextsCanHold) { EXPECT_EQ(device_name(RunRecord{}), "unknown machine"); }

}  // namespace
}  // namespace wan
