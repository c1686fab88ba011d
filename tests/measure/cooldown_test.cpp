// The decision to start a run on a card that is still warm, and the wait on an invented card.
#include "measure/cooldown.h"

#include <gtest/gtest.h>

namespace wan::measure {
namespace {

/// Cools by 4 C with every reading.
class CoolingGpu final : public Gpu {
 public:
  const GpuFacts& facts() const override { return facts_; }
  GpuReading read() override {
    GpuReading reading;
    reading.temperature_c = temperature_ -= 4;
    return reading;
  }
  std::optional<ActivityReading> read_activity() override { return {}; }

 private:
  GpuFacts facts_;
  double temperature_ = 60;
};

TEST(CoolDown, WaitsAboveThreeDegreesOverTheFirstStart) {
  EXPECT_TRUE(cool_enough(40, 43, 0, 120));
  EXPECT_FALSE(cool_enough(40, 44, 0, 120));
  EXPECT_TRUE(cool_enough(40, 30, 0, 120)) << "waiting does not warm a card";
}

TEST(CoolDown, GivesUpAtItsLimit) {
  EXPECT_FALSE(cool_enough(40, 60, 119, 120));
  EXPECT_TRUE(cool_enough(40, 60, 120, 120));
  EXPECT_TRUE(cool_enough(40, 60, 0, 0)) << "0 switches it off";
}

TEST(CoolDown, StartsWhereNoTemperatureIsKnown) {
  EXPECT_TRUE(cool_enough({}, 60, 0, 120));
  EXPECT_TRUE(cool_enough(40, {}, 0, 120));
}

TEST(CoolDown, ReadsUntilTheCardIsCool) {
  CoolingGpu gpu;
  const CoolDown end = wait_until_cool(&gpu, 50, 120, [] { return false; });
  EXPECT_EQ(end.start_c, 52);  // 56 is too warm
  EXPECT_GT(end.waited_s, 0);
}

TEST(CoolDown, StopsWhenAsked) {
  CoolingGpu gpu;
  EXPECT_EQ(wait_until_cool(&gpu, 20, 120, [] { return true; }).start_c, 56);
}

TEST(CoolDown, IsNothingWithoutACard) {
  const CoolDown none = wait_until_cool(nullptr, 20, 120, [] { return false; });
  EXPECT_FALSE(none.start_c.has_value());
  EXPECT_EQ(none.waited_s, 0);
}

}  // namespace
}  // namespace wan::measure
