// Seeded values: see backend/seeded.h.
#include "backend/seeded.h"

#include "backend/cpu/checks.h"
#include "backend/cpu/cpu_backend.h"
#include "backend/cpu/parallel.h"
#include "backend/cpu/values.h"

namespace wan::cpu {

void CpuBackend::fill_normal_from(TensorView y, uint64_t seed, uint64_t first, float mean, float deviation, Queue) {
  require_packed(y, "y");
  parallel_chunks(threads_, y.count(), [&](int64_t begin, int64_t count) {
    float values[kChunk];
    for (int64_t i = 0; i < count; ++i)
      values[i] = seeded_value(seed, first + static_cast<uint64_t>(begin + i), mean, deviation);
    store(values, count, y, begin);
  });
}

}  // namespace wan::cpu
