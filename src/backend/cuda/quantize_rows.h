// Rows in 8 bits: contract of Backend::quantize_rows.
#pragma once

#include "backend/backend.h"
#include "backend/cuda/context.h"

namespace wan::cuda {

void quantize_rows(Context& context, TensorView x, const Int8Rows& q);

}  // namespace wan::cuda
