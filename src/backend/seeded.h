// Seeded values that are the same bit for bit on every backend and in every written checkpoint.
#pragma once

#include <cstdint>

namespace wan {

/// SplitMix64's finaliser: a good 64-bit mix, so that any (key, index) gives an independent value.
/// Source: Steele, Lea, Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014.
inline uint64_t mix_bits(uint64_t x) {
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ULL;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebULL;
  return x ^ (x >> 31);
}

inline constexpr uint64_t kSeededStride = 0x9e3779b97f4a7c15ULL;
inline constexpr float kSeededCentre = 2.0f * 65535.0f;
inline constexpr float kSeededScale = 1.7320508f / 65536.0f;  // 1 / sqrt(4/12): unit variance

/// Value `index` of the stream `key`. Roughly normal: the sum of four 16-bit uniforms, variance 4/12, is close enough
/// for weights, needs no logarithm, and reaches 3.46 deviations. Every operation rounds to nearest; none is fused.
inline float seeded_value(uint64_t key, uint64_t index, float mean, float deviation) {
  const uint64_t bits = mix_bits(key + index * kSeededStride);
  const int sum = static_cast<int>(bits & 0xffff) + static_cast<int>((bits >> 16) & 0xffff) +
                  static_cast<int>((bits >> 32) & 0xffff) + static_cast<int>(bits >> 48);
  const float unit = (static_cast<float>(sum) - kSeededCentre) * kSeededScale;
  return mean + (deviation == 0 ? 0.0f : deviation * unit);
}

}  // namespace wan
