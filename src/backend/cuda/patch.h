// The DiT's patches: latents to rows and back. Contracts are those of the Backend functions of the same names.
#pragma once

#include "backend/cuda/context.h"
#include "tensor/tensor.h"

namespace wan::cuda {

void patchify(Context& context, TensorView x, TensorView y);
void unpatchify(Context& context, TensorView o, TensorView y);

}  // namespace wan::cuda
