// A reference's latents fed to the setting under test: the same setting is not off at all, another prompt is, a known
// distortion is found, and a dump of another run is refused.
#include "pipeline/replay.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "base/error.h"
#include "pipeline/engine.h"
#include "temporary_folder.h"

namespace wan {
namespace {

using testing::HasSubstr;

class ReplayTest : public testing::Test {
 protected:
  Request request() const {
    Request request;
    request.checkpoint = std::filesystem::path(WAN_FIXTURES) / "mini-ti2v-t2v";
    request.prompt = "a red circle moves left across a dark background";
    request.device = "cpu";
    request.width = 64;
    request.height = 64;
    request.num_frames = 5;
    request.steps = 3;
    return request;
  }
  std::filesystem::path reference() const {
    Request made = request();
    made.dump = folder_ / "reference.safetensors";
    if (!std::filesystem::exists(made.dump)) generate(made);
    return made.dump;
  }
  std::string refusal_of(const Request& request) const {
    try {
      generate(request);
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::kInput);
      return error.what();
    }
    return "";
  }
  const test::TemporaryFolder folder_;
};

TEST_F(ReplayTest, TheSameSettingIsNotOffWhateverItsOwnNoise) {
  Request again = request();
  again.replay = reference();
  again.seed = 7;
  const Outcome outcome = generate(again);
  ASSERT_EQ(outcome.replayed.size(), 3u);
  for (int step = 0; step < 3; ++step) {
    EXPECT_EQ(outcome.replayed[static_cast<size_t>(step)].step, step);
    EXPECT_EQ(outcome.replayed[static_cast<size_t>(step)].relative_l2, 0);
    EXPECT_EQ(outcome.replayed[static_cast<size_t>(step)].cosine, 1);
  }
}

TEST_F(ReplayTest, AnotherGuidanceIsOffInEveryStep) {
  Request other = request();
  other.replay = reference();
  other.guidance_low = 3.0;
  const Outcome outcome = generate(other);
  ASSERT_EQ(outcome.replayed.size(), 3u);
  for (const ReplayedStep& step : outcome.replayed) EXPECT_GT(step.relative_l2, 1e-4) << step.step;
}

TEST_F(ReplayTest, NothingIsReplayedUnasked) { EXPECT_TRUE(generate(request()).replayed.empty()); }

TEST_F(ReplayTest, DumpsOfOtherRunsAreRefusedWithWhatWasFound) {
  Request other = request();
  other.replay = reference();
  other.steps = 4;
  EXPECT_THAT(refusal_of(other), HasSubstr("timesteps has shape [3], this request needs [4]"));
  other = request();
  other.replay = reference();
  other.num_frames = 9;
  EXPECT_THAT(refusal_of(other), HasSubstr("step0.sample_in has shape"));
  other = request();
  other.replay = reference();
  other.shift = 9;
  EXPECT_THAT(refusal_of(other), HasSubstr("step 2 is of timestep 908"));
  other.replay = request().checkpoint / "golden.safetensors";
  EXPECT_THAT(refusal_of(other),
              testing::AllOf(HasSubstr("golden.safetensors: timesteps"), HasSubstr("--replay takes the --dump")));
}

TEST(CompareVelocities, FindAKnownDistortion) {
  constexpr int64_t kCount = 1 << 16;
  const Tensor reference = host_tensor(DType::kF32, {kCount}), value = host_tensor(DType::kF32, {kCount});
  for (int64_t i = 0; i < kCount; ++i) {
    // Noise of a standard deviation of 0.53 % on values of 1, of alternating sign: uncorrelated to them.
    reference->as<float>()[i] = i % 2 == 0 ? 1.0f : -1.0f;
    value->as<float>()[i] = reference->as<float>()[i] + (i % 4 < 2 ? 0.0053f : -0.0053f);
  }
  const ReplayedStep found = compare_velocities(2, value, reference);
  EXPECT_EQ(found.step, 2);
  EXPECT_NEAR(found.relative_l2, 0.0053, 0.0053 * 1e-4);
  EXPECT_NEAR(found.cosine, 1 / std::sqrt(1 + 0.0053 * 0.0053), 1e-9);
}

TEST(CompareVelocities, ZerosAndInfinitiesHaveNoDirection) {
  const Tensor zero = host_tensor(DType::kF32, {4}), one = host_tensor(DType::kF32, {4});
  for (int i = 0; i < 4; ++i) {
    zero->as<float>()[i] = 0;
    one->as<float>()[i] = 1;
  }
  EXPECT_EQ(compare_velocities(0, zero, zero).relative_l2, 0);
  EXPECT_THROW(compare_velocities(0, one, zero), Error);
  one->as<float>()[1] = INFINITY;
  EXPECT_THROW(compare_velocities(0, one, one), Error);
}

}  // namespace
}  // namespace wan
