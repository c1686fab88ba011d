// Products of rows in 8 bits by Hopper's own instructions; apart from the rest, since they compile for that card alone.
#pragma once

#include "backend/backend.h"
#include "backend/cuda/context.h"

namespace wan::cuda {

/// Whether sm90_linear_int8 can: a Hopper card, K a multiple of 16, N of 32, all rows and vectors 16 bytes apart. The
/// arguments fit the contract of Backend::linear_int8.
bool sm90_linear_int8_accepts(const Context& context, const Int8Rows& x, const Int8Rows& weight, TensorView bias,
                              TensorView y);
void sm90_linear_int8(Context& context, const Int8Rows& x, const Int8Rows& weight, TensorView bias,
                      Activation activation, TensorView y);

}  // namespace wan::cuda
