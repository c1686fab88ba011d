// Normals of torch's CPU generator: MT19937, with one rule for fewer than 16 values and another, block-wise, for more.
#include <cmath>
#include <numbers>
#include <random>

#include "sampler/noise.h"

namespace wan {
namespace {

constexpr int64_t kBlock = 16;
constexpr int64_t kHalf = kBlock / 2;

// 24 random bits in [0, 1).
float uniform24(std::mt19937& generator) { return static_cast<float>(generator() & 0xffffffu) * 0x1p-24f; }

double uniform53(std::mt19937& generator) {
  const uint64_t high = generator();
  const uint64_t bits = (high << 32) | static_cast<uint64_t>(generator());
  return static_cast<double>(bits & ((uint64_t{1} << 53) - 1)) * 0x1p-53;
}

// Uniforms to normals in place; element j and j + 8 make a pair.
void transform_block(float* block) {
  for (int64_t j = 0; j < kHalf; ++j) {
    const float radius = std::sqrt(-2.0f * std::log(1.0f - block[j]));
    const float angle = static_cast<float>(2.0 * std::numbers::pi) * block[j + kHalf];
    block[j] = radius * std::cos(angle);
    block[j + kHalf] = radius * std::sin(angle);
  }
}

void short_normal(std::mt19937& generator, std::span<float> out) {
  for (size_t i = 0; i < out.size(); i += 2) {
    const double angle = 2.0 * std::numbers::pi * uniform53(generator);
    const double radius = std::sqrt(-2.0 * std::log1p(-uniform53(generator)));
    out[i] = static_cast<float>(radius * std::cos(angle));
    if (i + 1 < out.size()) out[i + 1] = static_cast<float>(radius * std::sin(angle));
  }
}

}  // namespace

void cpu_normal(uint64_t seed, std::span<float> out) {
  std::mt19937 generator(static_cast<uint32_t>(seed));
  const int64_t count = static_cast<int64_t>(out.size());
  if (count < kBlock) return short_normal(generator, out);
  float* values = out.data();
  for (float& value : out) value = uniform24(generator);
  const int64_t blocks = count / kBlock;
#pragma omp parallel for schedule(static)
  for (int64_t block = 0; block < blocks; ++block) transform_block(values + block * kBlock);
  if (count % kBlock == 0) return;
  // The last 16 are drawn anew, over some that are already normals.
  float* tail = values + count - kBlock;
  for (int64_t j = 0; j < kBlock; ++j) tail[j] = uniform24(generator);
  transform_block(tail);
}

}  // namespace wan
