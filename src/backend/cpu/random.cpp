// Normal values as a fixed function of (seed, index), the same on every backend to within 2e-6 of the deviation:
//   words   = Philox4x32-10 with key (low, high word of seed) and counter (low, high word of index / 4, 0, 0)
//   u       = ((word >> 9) + 0.5) * 2^-23, in (0, 1) and exact in float
//   pair p  = words 2p, 2p + 1:  r = sqrt(-2 ln u(2p)),  r cos(2 pi u(2p + 1)),  r sin(2 pi u(2p + 1))
//   value   = mean + deviation * z[index % 4],  z = (pair 0 cos, pair 0 sin, pair 1 cos, pair 1 sin)
// The largest |z| is 5.77. This is not torch's order of values: sampler/noise.h has that.
// Source: Salmon, Moraes, Dror, Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC 2011.
#include <array>
#include <cmath>
#include <numbers>

#include "backend/cpu/checks.h"
#include "backend/cpu/cpu_backend.h"
#include "backend/cpu/parallel.h"
#include "backend/cpu/values.h"

namespace wan::cpu {
namespace {

constexpr int kWords = 4;
using Words = std::array<uint32_t, kWords>;

Words philox(uint64_t seed, uint64_t counter) {
  constexpr int kRounds = 10;
  constexpr uint64_t kMultiplier0 = 0xD2511F53, kMultiplier1 = 0xCD9E8D57;
  constexpr uint32_t kKeyStep0 = 0x9E3779B9, kKeyStep1 = 0xBB67AE85;
  Words c{static_cast<uint32_t>(counter), static_cast<uint32_t>(counter >> 32), 0, 0};
  uint32_t key0 = static_cast<uint32_t>(seed), key1 = static_cast<uint32_t>(seed >> 32);
  for (int round = 0; round < kRounds; ++round) {
    const uint64_t a = kMultiplier0 * c[0], b = kMultiplier1 * c[2];
    c = {static_cast<uint32_t>(b >> 32) ^ c[1] ^ key0, static_cast<uint32_t>(b),
         static_cast<uint32_t>(a >> 32) ^ c[3] ^ key1, static_cast<uint32_t>(a)};
    key0 += kKeyStep0;
    key1 += kKeyStep1;
  }
  return c;
}

double unit(uint32_t word) { return (static_cast<double>(word >> 9) + 0.5) * 0x1p-23; }

std::array<double, kWords> normals(const Words& words) {
  std::array<double, kWords> z{};
  for (size_t pair = 0; pair < kWords; pair += 2) {
    const double radius = std::sqrt(-2 * std::log(unit(words[pair])));
    const double angle = 2 * std::numbers::pi * unit(words[pair + 1]);
    z[pair] = radius * std::cos(angle);
    z[pair + 1] = radius * std::sin(angle);
  }
  return z;
}

}  // namespace

void CpuBackend::fill_normal(TensorView y, uint64_t seed, float mean, float deviation) {
  require_packed(y, "y");
  static_assert(kChunk % kWords == 0);
  parallel_chunks(threads_, y.count(), [&](int64_t begin, int64_t count) {
    float values[kChunk];
    for (int64_t i = 0; i < count; i += kWords) {
      const auto z = deviation == 0 ? std::array<double, kWords>{}
                                    : normals(philox(seed, static_cast<uint64_t>((begin + i) / kWords)));
      for (size_t j = 0; j < kWords; ++j)
        values[static_cast<size_t>(i) + j] = static_cast<float>(double{mean} + double{deviation} * z[j]);
    }
    store(values, count, y, begin);
  });
}

}  // namespace wan::cpu
