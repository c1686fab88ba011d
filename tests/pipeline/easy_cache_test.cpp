// The decision of EasyCache and the magnitudes of a curve, on values counted by hand.
#include "pipeline/easy_cache.h"

#include <gtest/gtest.h>

#include "pipeline/magnitudes.h"

namespace wan {
namespace {

Tensor values(std::vector<float> numbers) { return host_tensor(numbers, {static_cast<int64_t>(numbers.size())}); }

TEST(EasyCacheDecider, ChangesAddUpAgainstTheThreshold) {
  EasyCacheDecider decider(0.5);
  EXPECT_FALSE(decider.decide(values({0, 0}), false));
  decider.computed(values({10, -10}));
  EXPECT_FALSE(decider.decide(values({1, 1}), true)) << "nothing is known of how the velocity follows the latent";
  decider.computed(values({12, -12}));  // it changed by 2 where the latent changed by 1
  // From now on a change of 1 is one of 2 in 12: 1/6 each.
  EXPECT_TRUE(decider.decide(values({2, 2}), true));
  EXPECT_TRUE(decider.decide(values({1, 1}), true)) << "against the step before, whichever way";
  EXPECT_FALSE(decider.decide(values({2.01f, 2.01f}), true)) << "three sixths and a little";
  decider.computed(values({12, -12}));
  // The velocity did not change at all between the computed steps: nothing is estimated to change.
  EXPECT_TRUE(decider.decide(values({100, 100}), true));
}

TEST(EasyCacheDecider, AStepThatIsNotOpenBeginsTheSumAnew) {
  EasyCacheDecider decider(0.3);
  decider.decide(values({0, 0}), false);
  decider.computed(values({10, 10}));
  decider.decide(values({1, 1}), false);
  decider.computed(values({11, 11}));
  EXPECT_TRUE(decider.decide(values({3, 3}), true));    // 2/11
  EXPECT_FALSE(decider.decide(values({5, 5}), false));  // would be 4/11 in all
  decider.computed(values({11, 11}));
  decider.decide(values({6, 6}), false);
  decider.computed(values({12, 12}));
  EXPECT_TRUE(decider.decide(values({9, 9}), true));  // 3/12 alone
}

TEST(EasyCacheDecider, ForgetsAnExpert) {
  EasyCacheDecider decider(100);
  decider.decide(values({0, 0}), false);
  decider.computed(values({10, 10}));
  decider.decide(values({1, 1}), false);
  decider.computed(values({11, 11}));
  EXPECT_TRUE(decider.decide(values({2, 2}), true));
  decider.forget();
  EXPECT_FALSE(decider.decide(values({3, 3}), true));
}

TEST(EasyCacheDecider, ZerosReuseNothing) {
  EasyCacheDecider decider(100);
  decider.decide(values({0, 0}), false);
  decider.computed(values({0, 0}));
  decider.decide(values({0, 0}), true);
  decider.computed(values({0, 0}));
  EXPECT_FALSE(decider.decide(values({0, 0}), true)) << "a latent that did not move tells nothing";
  decider.computed(values({0, 0}));
  decider.decide(values({1, 1}), true);
  decider.computed(values({0, 0}));
  EXPECT_FALSE(decider.decide(values({2, 2}), true)) << "a velocity of no size has no share that changes";
}

TEST(Magnitudes, AreTheMeanOverTokensOfTheirRatios) {
  const Tensor rows = host_tensor(std::vector<float>{3, 4, 0, 0, 0, -2}, {3, 2});
  EXPECT_EQ(row_norms(rows), (std::vector<double>{5, 0, 2}));
  // Tokens of 2 and 3; the one that was zero has no ratio.
  EXPECT_DOUBLE_EQ(mean_ratio({10, 7, 6}, {5, 0, 2}).value(), 2.5);
  EXPECT_FALSE(mean_ratio({1, 1}, {0, 0}).has_value());
  EXPECT_FALSE(mean_ratio({1e308, 1e308}, {1e-10, 1e-10}).has_value()) << "not finite";
}

TEST(Magnitudes, OfBf16AreOfItsValues) {
  const Tensor rows = host_tensor(DType::kBF16, {1, 2});
  rows->as<BF16>()[0] = to_bf16(3);
  rows->as<BF16>()[1] = to_bf16(-4);
  EXPECT_EQ(row_norms(rows), (std::vector<double>{5}));
}

}  // namespace
}  // namespace wan
