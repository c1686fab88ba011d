// Normals of torch's CUDA generator: Philox4x32-10 counters, Box-Muller, and the grid-stride order of torch's kernel.
#include <algorithm>
#include <array>
#include <cmath>

#include <fmt/format.h>

#include "base/error.h"
#include "sampler/noise.h"

namespace wan {
namespace {

constexpr int64_t kBlockThreads = 256;
constexpr int64_t kValuesPerCall = 4;

// Word 0 and 1 of the counter are the call's number within a thread, 2 and 3 the thread's.
std::array<uint32_t, 4> philox(uint64_t seed, uint64_t call, uint64_t thread) {
  constexpr uint64_t kMultiplier0 = 0xD2511F53, kMultiplier1 = 0xCD9E8D57;
  constexpr uint32_t kWeyl0 = 0x9E3779B9, kWeyl1 = 0xBB67AE85;
  std::array<uint32_t, 4> c{static_cast<uint32_t>(call), static_cast<uint32_t>(call >> 32),
                            static_cast<uint32_t>(thread), static_cast<uint32_t>(thread >> 32)};
  uint32_t key0 = static_cast<uint32_t>(seed), key1 = static_cast<uint32_t>(seed >> 32);
  for (int round = 0; round < 10; ++round) {
    const uint64_t product0 = kMultiplier0 * c[0], product1 = kMultiplier1 * c[2];
    c = {static_cast<uint32_t>(product1 >> 32) ^ c[1] ^ key0, static_cast<uint32_t>(product1),
         static_cast<uint32_t>(product0 >> 32) ^ c[3] ^ key1, static_cast<uint32_t>(product0)};
    key0 += kWeyl0;
    key1 += kWeyl1;
  }
  return c;
}

struct Pair {
  float first, second;
};

// Box-Muller with cuRAND's constants: 2^-32 and 2 pi 2^-32, offset by half a step so that the logarithm stays finite.
Pair box_muller(uint32_t radius_bits, uint32_t angle_bits) {
  constexpr float kUnit = 2.3283064e-10f;
  constexpr float kTurn = 2.3283064e-10f * 6.2831855f;
  const float u = static_cast<float>(radius_bits) * kUnit + kUnit / 2;
  const float v = static_cast<float>(angle_bits) * kTurn + kTurn / 2;
  const float s = std::sqrt(-2.0f * std::log(u));
  return {s * std::sin(v), s * std::cos(v)};
}

}  // namespace

void cuda_normal(uint64_t seed, const CudaGrid& grid, std::span<float> out, uint64_t draws_before) {
  const int64_t blocks_per_multiprocessor = grid.threads_per_multiprocessor / kBlockThreads;
  constexpr int64_t kLimit = int64_t{1} << 20;  // keeps the products below far from overflow
  if (grid.multiprocessors < 1 || grid.multiprocessors > kLimit || blocks_per_multiprocessor < 1 ||
      grid.threads_per_multiprocessor > kLimit)
    throw Error(ErrorKind::kUsage,
                fmt::format("a noise grid needs a multiprocessor and {} threads on it at least, found {} x {}",
                            kBlockThreads, grid.multiprocessors, grid.threads_per_multiprocessor));
  const int64_t count = static_cast<int64_t>(out.size());
  const int64_t blocks =
      std::min((count + kBlockThreads - 1) / kBlockThreads, grid.multiprocessors * blocks_per_multiprocessor);
  const int64_t threads = blocks * kBlockThreads;
  const int64_t per_call = threads * kValuesPerCall;
  if (count == 0) return;
  const int64_t calls = (count - 1) / per_call + 1;
  const uint64_t first_call = draws_before * static_cast<uint64_t>(calls);
  float* values = out.data();
#pragma omp parallel for schedule(static)
  for (int64_t block = 0; block < calls * blocks; ++block) {
    const int64_t call = block / blocks, first_thread = block % blocks * kBlockThreads;
    for (int64_t thread = first_thread; thread < first_thread + kBlockThreads; ++thread) {
      const int64_t at = call * per_call + thread;
      if (at >= count) break;
      const auto bits = philox(seed, first_call + static_cast<uint64_t>(call), static_cast<uint64_t>(thread));
      const Pair a = box_muller(bits[0], bits[1]), b = box_muller(bits[2], bits[3]);
      values[at] = a.first;
      if (at + threads < count) values[at + threads] = a.second;
      if (at + 2 * threads < count) values[at + 2 * threads] = b.first;
      if (at + 3 * threads < count) values[at + 3 * threads] = b.second;
    }
  }
}

}  // namespace wan
