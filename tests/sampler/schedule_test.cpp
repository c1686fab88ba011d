#include "sampler/schedule.h"

#include <cmath>
#include <limits>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "fixture.h"

namespace wan {
namespace {

using ::testing::ElementsAreArray;

TEST(Schedule, IsBitEqualToOfficial) {
  const auto golden = read_floats(WAN_FIXTURES "/units/samplers.safetensors");
  for (const std::string solver : {"unipc", "dpm++"}) {
    for (int steps : {1, 2, 3, 5, 10, 40, 50}) {
      for (int shift : {1, 3, 5, 12}) {
        const std::string key = fmt::format("{}.steps{}.shift{}", solver, steps, shift);
        const Schedule schedule = solver == "unipc" ? unipc_schedule(steps, shift) : dpmpp_schedule(steps, shift);
        const std::vector<float> timesteps(schedule.timesteps.begin(), schedule.timesteps.end());
        EXPECT_THAT(schedule.sigmas, ElementsAreArray(golden.at(key + ".sigmas").values)) << key;
        EXPECT_THAT(timesteps, ElementsAreArray(golden.at(key + ".timesteps").values)) << key;
      }
    }
  }
}

// Where the official scheduler fails: shift 12 from 92 steps on, 8 from 144, 5 from 251, 3 from 501.
TEST(Schedule, KeepsBothOfTwoCoincidingFirstTimesteps) {
  struct Case {
    int steps;
    double shift;
  };
  for (const Case c : {Case{92, 12}, Case{144, 8}, Case{251, 5}, Case{501, 3}}) {
    const Schedule before = unipc_schedule(c.steps - 1, c.shift), schedule = unipc_schedule(c.steps, c.shift);
    EXPECT_NE(before.timesteps[0], before.timesteps[1]) << c.shift;
    EXPECT_EQ(schedule.timesteps[0], schedule.timesteps[1]) << c.shift;
    EXPECT_GT(schedule.sigmas[0], schedule.sigmas[1]) << c.shift;
  }
}

TEST(Schedule, RefusesImpossibleRequests) {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  for (int steps : {0, -1, kMaxSteps + 1}) EXPECT_THROW(unipc_schedule(steps, 5), Error) << steps;
  for (double shift : {0.0, -1.0, nan, HUGE_VAL}) EXPECT_THROW(dpmpp_schedule(10, shift), Error) << shift;
  EXPECT_EQ(unipc_schedule(kMaxSteps, 1).steps(), kMaxSteps);
}

TEST(Schedule, RefusesShiftsUnderWhichTheNoiseDoesNotFall) {
  const auto refusal = [](auto make, int steps, double shift) -> std::string {
    try {
      make(steps, shift);
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::kUsage);
      return error.what();
    }
    return "accepted";
  };
  for (double shift : {1e308, 1e12, 1e-300, 1e-50}) {
    for (int steps : {1, 2, 40}) {
      const std::string problem = refusal(unipc_schedule, steps, shift);
      EXPECT_NE(problem.find("makes no schedule"), std::string::npos) << shift << ", " << steps << ": " << problem;
      EXPECT_EQ(problem.find("::"), std::string::npos) << problem;
    }
    EXPECT_NE(refusal(dpmpp_schedule, 40, shift).find("makes no schedule"), std::string::npos) << shift;
  }
  EXPECT_EQ(refusal(dpmpp_schedule, 1, 1e308), "accepted") << "one step from pure noise is the same for every shift";
  EXPECT_EQ(refusal(unipc_schedule, 50, 100), "accepted");
}

TEST(Schedule, HalfLogSnrHasItsLimits) {
  EXPECT_EQ(half_log_snr(1.0f), -std::numeric_limits<float>::infinity());
  EXPECT_EQ(half_log_snr(0.0f), std::numeric_limits<float>::infinity());
  EXPECT_EQ(half_log_snr(0.5f), 0.0f);
  EXPECT_NEAR(half_log_snr(0.2f), std::log(4.0), 4 * 0x1p-24 * std::log(5.0));
}

}  // namespace
}  // namespace wan
