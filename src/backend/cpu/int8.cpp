#include "backend/cpu/int8.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>

#include "backend/int8_contract.h"

namespace wan::cpu {

void transform(float* values, int64_t count, int block) {
  for (int64_t begin = 0; begin < count; begin += block)
    for (int distance = 1; distance < block; distance *= 2)
      for (int pair = 0; pair < block; pair += 2 * distance) {
        float* low = values + begin + pair;
        for (int i = 0; i < distance; ++i) {
          const float a = low[i], b = low[i + distance];
          low[i] = a + b;
          low[i + distance] = a - b;
        }
      }
}

uint32_t largest_bits(const float* values, int64_t count) {
  uint32_t largest = 0;
  for (int64_t i = 0; i < count; ++i) largest = std::max(largest, std::bit_cast<uint32_t>(values[i]) & 0x7fffffffu);
  return largest;
}

float quantize(const float* values, int64_t count, float scale_factor, int8_t* out) {
  const uint32_t bits = largest_bits(values, count);
  const float largest = std::bit_cast<float>(bits);
  const bool is_finite = bits < std::bit_cast<uint32_t>(std::numeric_limits<float>::infinity());
  if (!is_finite || largest < kInt8Tiny) {
    std::fill_n(out, count, int8_t{0});
    return is_finite ? 0 : std::numeric_limits<float>::quiet_NaN();
  }
  const float inverse = kInt8Top / largest;
  for (int64_t i = 0; i < count; ++i) out[i] = static_cast<int8_t>(std::nearbyint(values[i] * inverse));
  return largest * scale_factor;
}

}  // namespace wan::cpu
