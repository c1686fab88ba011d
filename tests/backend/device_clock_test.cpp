// Device time mapped to the host's clock, on synthetic brackets and elapsed times with known answers.
#include "backend/device_clock.h"

#include <gtest/gtest.h>

namespace wan {
namespace {

constexpr int64_t kMs = 1'000'000;

TEST(DeviceClock, AnEventLiesInTheMiddleOfItsBracket) {
  const ClockTie tie = tie_between(1000, 1600);
  EXPECT_EQ(tie.host_ns, 1300);
  EXPECT_EQ(tie.uncertainty_ns, 300);
}

TEST(DeviceClock, CountsFromTheTieBothWays) {
  DeviceClock clock;
  clock.start({5000 * kMs, 10});
  EXPECT_EQ(clock.at(0), 5000 * kMs);
  EXPECT_EQ(clock.at(250), 5250 * kMs);
  EXPECT_EQ(clock.at(-250), 4750 * kMs);
}

/// Half an hour in steps of 0.6 s: one float difference over all of it resolves 0.125 ms, the sum of steps stays within
/// a step's own resolution (600 ms as float: 61 ns) times the steps.
TEST(DeviceClock, StepsKeepThePrecisionThatOneLongDifferenceLoses) {
  constexpr int kSteps = 3000;
  constexpr float kStepMs = 600.00006f;  // the float next to 600: 600.00006103515625
  DeviceClock clock;
  clock.start({0, 0});
  for (int i = 0; i < kSteps; ++i) {
    ASSERT_TRUE(DeviceClock::is_far(kStepMs));
    clock.move(kStepMs);
  }
  EXPECT_EQ(clock.at(0), int64_t{kSteps} * 600'000'061);
  EXPECT_NE(clock.at(0), DeviceClock().at(kSteps * kStepMs));
}

TEST(DeviceClock, NearEventsDoNotMoveTheReference) {
  EXPECT_FALSE(DeviceClock::is_far(499));
  EXPECT_TRUE(DeviceClock::is_far(501));
}

/// A device clock that runs 20 ppm slow: after 10 s of host time it has counted 9.9998 s.
TEST(DeviceClock, DriftIsWhatTheSecondTieSaysBeyondTheMapping) {
  DeviceClock clock;
  clock.start({1000 * kMs, 2'000});
  const ClockDrift drift = clock.drift(9999.8f, {11'000 * kMs, 3'000});
  EXPECT_NEAR(double(drift.residual_ns), 200'000, 500);  // 9999.8 ms as float: within 0.49 us
  EXPECT_EQ(drift.uncertainty_ns, 5'000);
}

}  // namespace
}  // namespace wan
