// Root-mean-square normalisation of rows, rotary embedding, and both in one pass.
// Contracts are those of the Backend functions of the same names.
#pragma once

#include "backend/backend.h"
#include "backend/cuda/context.h"

namespace wan::cuda {

void rms_norm(Context& context, TensorView x, TensorView weight, float eps, TensorView y);
void rope(Context& context, TensorView x, TensorView cos, TensorView sin, int64_t heads, TensorView y);
void rms_norm_rope(Context& context, TensorView x, TensorView weight, float eps, TensorView cos, TensorView sin,
                   int64_t heads, TensorView y);

}  // namespace wan::cuda
