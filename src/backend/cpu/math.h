// exp, SiLU and tanh-GELU in float, written so that a loop over them vectorises; within 2 ulp, NaN stays NaN. GELU by
// erf is the C library's.
#pragma once

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>

#include "backend/backend.h"

namespace wan::cpu {

/// exp(x), clamped to the exponents float can hold: 1.2e-38 below -87.3, 2.4e38 above 88.3.
/// Range reduction x = n ln 2 + r and a Taylor polynomial for |r| <= ln 2 / 2, whose remainder is below 6e-9.
inline float exp_float(float x) {
  constexpr float kLog2E = 1.44269504f;
  constexpr float kLn2High = 0.693359375f, kLn2Low = -2.12194440e-4f;  // the high part times n is exact
  constexpr float kToInteger = 12582912.0f;  // 1.5 * 2^23: its sum with n holds n in the low bits
  x = std::min(std::max(x, -87.3f), 88.3f);
  const float shifted = x * kLog2E + kToInteger;
  const float n = shifted - kToInteger;
  const float r = (x - n * kLn2High) - n * kLn2Low;
  float p = 1.0f / 5040;
  p = p * r + 1.0f / 720;
  p = p * r + 1.0f / 120;
  p = p * r + 1.0f / 24;
  p = p * r + 1.0f / 6;
  p = p * r + 0.5f;
  p = p * r * r + r + 1.0f;
  constexpr uint32_t kBias = 127;
  const uint32_t exponent = std::bit_cast<uint32_t>(shifted) - std::bit_cast<uint32_t>(kToInteger) + kBias;
  return p * std::bit_cast<float>(exponent << 23);
}

/// values = activation(values).
void apply(Activation activation, float* values, int64_t count);

inline float silu(float x) { return x / (1.0f + exp_float(-x)); }

/// 0.5 x (1 + tanh(z)), z = sqrt(2 / pi) (x + 0.044715 x^3); the factor is the logistic function of 2 z.
inline float gelu_tanh(float x) {
  constexpr float kTwiceScale = 1.5957691216f, kCubic = 0.044715f;
  return x / (1.0f + exp_float(-kTwiceScale * (x + kCubic * x * x * x)));
}

/// 0.5 x (1 + erf(x / sqrt(2))), by the complement, which far below zero does not cancel.
inline float gelu(float x) {
  constexpr float kRootHalf = 0.70710678f;
  return 0.5f * x * std::erfc(-x * kRootHalf);
}

inline float leaky_relu(float x) {
  constexpr float kBelowZero = 0.2f;
  return x < 0 ? kBelowZero * x : x;
}

}  // namespace wan::cpu
