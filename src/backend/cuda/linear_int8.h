// Products of rows in 8 bits: contract of Backend::linear_int8.
#pragma once

#include "backend/backend.h"
#include "backend/cuda/context.h"

namespace wan::cuda {

void linear_int8(Context& context, const Int8Rows& x, const Int8Rows& weight, TensorView bias, Activation activation,
                 TensorView y);

}  // namespace wan::cuda
