// The shape, dtype and stride contracts operations share. Each throws Error naming the argument.
#pragma once

#include "backend/backend.h"

namespace wan::cpu {

/// F32 or BF16, in host memory.
void require_float(const TensorView& view, const char* name);
/// F32 or BF16 and contiguous.
void require_packed(const TensorView& view, const char* name);
/// F32 or BF16 [L, D], inner stride 1.
void require_rows(const TensorView& view, const char* name);
/// F32 or BF16 [count] with stride 1.
void require_vector(const TensorView& view, int64_t count, const char* name);
void require_shape(const TensorView& view, const Shape& shape, const char* name);
/// I32 [count] contiguous, every entry in [0, limit).
void require_indices(const TensorView& view, int64_t count, int64_t limit, const char* name);

}  // namespace wan::cpu
