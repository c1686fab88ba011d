#include "tensor/tensor.h"

#include <gtest/gtest.h>

#include <cmath>

#include "base/error.h"

namespace wan {
namespace {

TEST(BF16, RoundsToNearestEvenAndKeepsSpecialValues) {
  EXPECT_EQ(to_bf16(1.0f).bits, 0x3f80);
  EXPECT_EQ(round_to_bf16(1.0f + 0x1p-8f), 1.0f);              // halfway between 1 and 1 + 2^-7: to even
  EXPECT_EQ(round_to_bf16(1.0f + 0x1.8p-7f), 1.0f + 0x1p-6f);  // halfway the other way
  EXPECT_TRUE(std::isnan(round_to_bf16(NAN)));
  EXPECT_EQ(round_to_bf16(-INFINITY), -INFINITY);
}

TEST(Half, ConvertsNormalSubnormalAndInfinite) {
  EXPECT_EQ(half_to_float(0x3c00), 1.0f);
  EXPECT_EQ(half_to_float(0xc000), -2.0f);
  EXPECT_EQ(half_to_float(0x0001), 0x1p-24f);
  EXPECT_EQ(half_to_float(0x7c00), INFINITY);
  EXPECT_TRUE(std::isnan(half_to_float(0x7e00)));
}

TEST(TensorView, SlicesSelectsAndPermutesWithoutCopying) {
  Tensor tensor = host_tensor(DType::kF32, {2, 3, 4});
  for (int i = 0; i < 24; ++i) tensor->as<float>()[i] = static_cast<float>(i);
  const TensorView column = tensor->select(2, 1);
  EXPECT_EQ(column.shape, Shape({2, 3}));
  EXPECT_EQ(column.as<float>()[column.stride(0) + 2 * column.stride(1)], 12 + 8 + 1);
  const TensorView turned = tensor->permute({2, 0, 1});
  EXPECT_EQ(turned.shape, Shape({4, 2, 3}));
  EXPECT_FALSE(turned.is_contiguous());
  EXPECT_EQ(turned.as<float>()[3 * turned.stride(0) + turned.stride(1)], 12 + 3);
  EXPECT_EQ(tensor->slice(1, 1, 3).shape, Shape({2, 2, 4}));
  EXPECT_THROW(tensor->slice(1, 2, 4), Error);
  EXPECT_THROW(turned.reshape({24}), Error);
  EXPECT_THROW(tensor->as<BF16>(), Error);
}

TEST(Arena, GivesBackInStackOrderAndCountsItsPeak) {
  Tensor block = host_tensor(DType::kU8, {4096});
  Arena arena(block);
  const TensorView first = arena.allocate(DType::kF32, {10});
  {
    const ArenaScope scope(arena);
    arena.allocate(DType::kU8, {1025});
    EXPECT_THROW(arena.allocate(DType::kU8, {1025}, "too much"), OutOfMemory);
  }
  const TensorView again = arena.allocate(DType::kF32, {10});
  EXPECT_EQ(static_cast<std::byte*>(again.data) - static_cast<std::byte*>(first.data),
            static_cast<std::ptrdiff_t>(Arena::kAlignment));
  EXPECT_EQ(arena.peak(), 3 * Arena::kAlignment);
}

}  // namespace
}  // namespace wan
