#include "sampler/guidance.h"

#include <vector>

#include <gtest/gtest.h>

#include "base/error.h"
#include "host_backend.h"
#include "sampler/schedule.h"

namespace wan {
namespace {

TEST(Guidance, MovesFromUnconditionalPastConditional) {
  HostBackend backend;
  const Shape shape{3};
  std::vector<float> conditional{1.0f, -2.0f, 0.5f}, unconditional{0.5f, 1.0f, 0.5f}, out(3);
  const TensorView c(conditional.data(), DType::kF32, shape, Memory::kHost);
  const TensorView u(unconditional.data(), DType::kF32, shape, Memory::kHost);
  guide(backend, c, u, 5.0f, {out.data(), DType::kF32, shape, Memory::kHost});
  EXPECT_EQ(out, (std::vector<float>{3.0f, -14.0f, 0.5f}));
  guide(backend, c, u, 5.0f, c);
  EXPECT_EQ(conditional, out);
  EXPECT_THROW(guide(backend, c, u, 5.0f, u), Error);
}

// The difference of two close velocities is exact, so the result keeps digits that (1 - g) u + g c would lose.
TEST(Guidance, RoundsTheDifferenceBeforeScaling) {
  HostBackend backend;
  const Shape shape{1};
  float c = 1.0f + 0x1p-23f, u = 1.0f, out = 0;
  const auto view = [&](float& value) { return TensorView(&value, DType::kF32, shape, Memory::kHost); };
  guide(backend, view(c), view(u), 3.0f, view(out));
  EXPECT_EQ(out, 1.0f + 3 * 0x1p-23f);
}

TEST(Guidance, AtOneNeedsOneBranch) {
  for (double one : {1.0, 1.0 + 9e-7, 1.0 - 9e-7}) EXPECT_FALSE(needs_guidance(one)) << one;
  for (double other : {0.0, 0.99999, 1.00001, 5.0, -1.0}) EXPECT_TRUE(needs_guidance(other)) << other;
}

TEST(Guidance, SplitsFloatTimesteps) {
  EXPECT_EQ(choose_expert(874.99, 0.875), Expert::kLowNoise);
  EXPECT_EQ(choose_expert(892.86, 0.875), Expert::kHighNoise);
}

TEST(Guidance, HighNoiseExpertRunsAtTheBoundaryAndAbove) {
  EXPECT_EQ(choose_expert(875, 0.875), Expert::kHighNoise);
  EXPECT_EQ(choose_expert(874, 0.875), Expert::kLowNoise);
  EXPECT_EQ(choose_expert(900, 0.9), Expert::kHighNoise);
  EXPECT_EQ(choose_expert(899, 0.9), Expert::kLowNoise);
}

TEST(Guidance, SplitsTheDefaultSchedulesAsOfficial) {
  const auto high_steps = [](const Schedule& schedule, double boundary) {
    int count = 0;
    for (double t : schedule.timesteps) count += choose_expert(t, boundary) == Expert::kHighNoise ? 1 : 0;
    return count;
  };
  EXPECT_EQ(high_steps(unipc_schedule(40, 12.0), 0.875), 26);
  EXPECT_EQ(high_steps(unipc_schedule(40, 5.0), 0.9), 15);
}

}  // namespace
}  // namespace wan
