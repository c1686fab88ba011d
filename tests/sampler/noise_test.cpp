#include "sampler/noise.h"

#include <algorithm>
#include <cmath>
#include <set>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "fixture.h"
#include "sampler/latent_noise.h"
#include "tensor/tensor.h"

namespace wan {
namespace {

double largest_difference(std::span<const float> got, const std::vector<float>& want) {
  EXPECT_EQ(got.size(), want.size());
  double most = 0;
  for (size_t i = 0; i < want.size(); ++i) most = std::max(most, std::abs(static_cast<double>(got[i]) - want[i]));
  return most;
}

// Heads, tails and every 65,537th value of torch.randn, by a "cpu" or "cuda" generator.
template <typename Generate>
int check_device(const std::string& device, double bound, Generate generate) {
  const auto golden = read_floats(WAN_FIXTURES "/units/torch_randn_sm132.safetensors");
  int cases = 0;
  for (const auto& [key, head] : golden) {
    if (!key.starts_with(device + ".n") || !key.ends_with(".head")) continue;
    const std::string name = key.substr(0, key.size() - 5);
    const size_t count = std::stoull(name.substr(device.size() + 2));
    const uint64_t seed = std::stoull(name.substr(name.find(".seed") + 5));
    std::vector<float> got(count);
    generate(seed, got);
    const std::span<const float> all(got);
    const std::vector<float>& tail = golden.at(name + ".tail").values;
    std::vector<float> strided;
    for (size_t i = 0; i < count; i += 65537) strided.push_back(got[i]);
    EXPECT_LE(largest_difference(all.first(head.values.size()), head.values), bound) << name;
    EXPECT_LE(largest_difference(all.last(tail.size()), tail), bound) << name;
    EXPECT_LE(largest_difference(strided, golden.at(name + ".stride_65537").values), bound) << name;
    ++cases;
  }
  return cases;
}

// The card's sine and cosine are approximate (absolute error near 2^-21 before the factor s <= 5). The same formula
// worked out apart from this program is as far from the card's values at worst: 1.52e-6 in float32 and 1.55e-6 in
// float64 arithmetic. So the error is the card's, not ours.
TEST(Noise, CudaMatchesTorch) {
  EXPECT_GT(check_device("cuda", 1.56e-6, [](uint64_t seed, std::span<float> out) { cuda_normal(seed, {}, out); }), 5);
}

// Values reach 5; 2.4e-7 is half a unit in the last place there.
TEST(Noise, CpuMatchesTorch) {
  EXPECT_GT(check_device("cpu", 2.4e-7, [](uint64_t seed, std::span<float> out) { cpu_normal(seed, out); }), 5);
}

TEST(Noise, CudaSeedZeroBeginsAsDocumented) {
  std::vector<float> got(4);
  cuda_normal(0, {}, got);
  const float want[] = {-0.92466f, -0.42534f, -2.64385f, 0.14518f};
  for (size_t i = 0; i < 4; ++i) EXPECT_NEAR(got[i], want[i], 5e-6);
}

// Below one grid's worth of values the card does not matter; above it, it does. A100 has 108 multiprocessors.
TEST(Noise, CudaDependsOnTheCardOnlyBeyondItsThreads) {
  std::vector<float> h100(400'000), a100(400'000);
  cuda_normal(42, {}, h100);
  cuda_normal(42, {108, 2048}, a100);
  EXPECT_TRUE(std::equal(h100.begin(), h100.begin() + 221'184, a100.begin()));
  EXPECT_FALSE(std::equal(h100.begin() + 221'184, h100.begin() + 270'336, a100.begin() + 221'184));
}

// A draw moves the generator on by its threads' calls: with a grid of 256 threads a draw of 2048 values makes two calls
// of four each, and the second half of it is the second draw of 1024.
TEST(Noise, CudaDrawsFollowOneAnother) {
  const CudaGrid grid{1, 256};
  std::vector<float> both(2048), first(1024), second(1024), third(1024), later(2048);
  cuda_normal(42, grid, both);
  cuda_normal(42, grid, first);
  cuda_normal(42, grid, second, 1);
  EXPECT_TRUE(std::equal(first.begin(), first.end(), both.begin()));
  EXPECT_TRUE(std::equal(second.begin(), second.end(), both.begin() + 1024));
  cuda_normal(42, grid, later, 1);
  cuda_normal(42, grid, third, 2);
  EXPECT_TRUE(std::equal(third.begin(), third.end(), later.begin())) << "two calls a draw";
  EXPECT_NE(first, third);
}

TEST(LatentNoise, FillsFramesOrChannelsFirst) {
  const Shape shape{2, 3, 2, 2};
  std::vector<float> flat(24);
  for (int index : {0, 2}) {
    cuda_normal(7, {}, flat, static_cast<uint64_t>(index));
    const Tensor channels = host_tensor(DType::kF32, shape), frames = host_tensor(DType::kF32, shape);
    draw_latent(7, index, DrawOrder::kChannelsFirst, channels);
    draw_latent(7, index, DrawOrder::kFramesFirst, frames);
    for (int c = 0; c < 2; ++c)
      for (int t = 0; t < 3; ++t)
        for (int p = 0; p < 4; ++p) {
          const auto at = static_cast<size_t>((c * 3 + t) * 4 + p);
          EXPECT_EQ(channels->as<float>()[at], flat[at]);
          EXPECT_EQ(frames->as<float>()[at], flat[static_cast<size_t>((t * 2 + c) * 4 + p)]);
        }
  }
  const Tensor flat_tensor = host_tensor(DType::kF32, {24});
  EXPECT_THROW(draw_latent(7, 0, DrawOrder::kChannelsFirst, flat_tensor), Error);
  const Tensor right = host_tensor(DType::kF32, shape);
  EXPECT_THROW(draw_latent(7, -1, DrawOrder::kChannelsFirst, right), Error);
}

TEST(Noise, IsStandardNormal) {
  constexpr size_t kCount = 1'000'003;
  std::vector<float> values(kCount);
  for (int generator = 0; generator < 2; ++generator) {
    if (generator == 0) cuda_normal(7, {}, values);
    if (generator == 1) cpu_normal(7, values);
    double sum = 0, squares = 0;
    for (float value : values) {
      ASSERT_TRUE(std::isfinite(value));
      sum += value;
      squares += static_cast<double>(value) * value;
    }
    // Five standard errors of the mean and of the variance.
    EXPECT_NEAR(sum / kCount, 0.0, 5.0 / std::sqrt(kCount));
    EXPECT_NEAR(squares / kCount, 1.0, 5.0 * std::sqrt(2.0 / kCount));
  }
}

TEST(Noise, AcceptsNothingAndRefusesAnImpossibleGrid) {
  std::vector<float> none;
  cuda_normal(1, {}, none);
  cpu_normal(1, none);
  std::vector<float> one(1);
  EXPECT_THROW(cuda_normal(1, {0, 2048}, one), Error);
  EXPECT_THROW(cuda_normal(1, {132, 255}, one), Error);
  EXPECT_THROW(cuda_normal(1, {INT64_MAX, 2048}, one), Error);
}

}  // namespace
}  // namespace wan
