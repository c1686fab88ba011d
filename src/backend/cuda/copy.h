// Strided copies with conversion. Contract of Backend::copy.
#pragma once

#include "backend/cuda/context.h"
#include "tensor/tensor.h"

namespace wan::cuda {

void copy(Context& context, TensorView x, TensorView y);

}  // namespace wan::cuda
