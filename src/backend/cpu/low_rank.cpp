// Merging a LoRA, in the order of operations of model/lora_patches.cpp.
#include <algorithm>
#include <array>
#include <string>
#include <vector>

#include "backend/cpu/checks.h"
#include "backend/cpu/cpu_backend.h"
#include "backend/cpu/parallel.h"
#include "backend/cpu/values.h"
#include "base/error.h"

namespace wan::cpu {
namespace {

void require_factor(const TensorView& view, const char* name) {
  const bool is_read = view.dtype == DType::kF32 || view.dtype == DType::kF16 || view.dtype == DType::kBF16;
  require_op(is_read && view.memory == Memory::kHost && view.rank() == 2 && view.is_contiguous(),
             std::string(name) + " must be a contiguous matrix of F32, F16 or BF16, found " +
                 std::string(name_of(view.dtype)) + " " + view.shape.text());
}

}  // namespace

void CpuBackend::add_low_rank(TensorView base, TensorView up, TensorView down, float factor, TensorView y, Queue) {
  require_packed(base, "base");
  require_packed(y, "y");
  require_factor(up, "up");
  require_factor(down, "down");
  require_op(base.rank() == 2, "base must be a matrix, found " + base.shape.text());
  require_shape(y, base.shape, "y");
  const int64_t rows = base.shape[0], columns = base.shape[1], rank = up.shape[1];
  require_op(
      up.dtype == down.dtype && up.shape == (Shape{rows, rank}) && down.shape == (Shape{rank, columns}),
      "up " + up.shape.text() + " and down " + down.shape.text() + " must share a dtype and fit " + base.shape.text());
  if (y.count() == 0) return;
  // Memory of this call alone: it may run beside another operation.
  std::vector<float> own_down(static_cast<size_t>(rank * columns)), own_up(static_cast<size_t>(rows * rank));
  const float* a = floats_at(down, 0, rank * columns, own_down.data());
  const float* b = floats_at(up, 0, rows * rank, own_up.data());
  parallel_for(threads_, rows, columns * (rank + 1), [&](int64_t row, int) {
    std::array<float, kChunk> sum, values;
    for (int64_t first = 0; first < columns; first += kChunk) {
      const int64_t n = std::min(kChunk, columns - first);
      std::fill_n(sum.data(), n, 0.0f);
      for (int64_t k = 0; k < rank; ++k) {
        const float each = b[row * rank + k];
        const float* const line = a + k * columns + first;
        for (int64_t i = 0; i < n; ++i) sum[static_cast<size_t>(i)] += each * line[i];
      }
      load(base, row * columns + first, n, values.data());
      for (int64_t i = 0; i < n; ++i) values[static_cast<size_t>(i)] += factor * sum[static_cast<size_t>(i)];
      store(values.data(), n, y, row * columns + first);
    }
  });
}

}  // namespace wan::cpu
