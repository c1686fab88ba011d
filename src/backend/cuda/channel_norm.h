// The VAE's normalisation over channels with its activation. Contract of Backend::channel_norm.
#pragma once

#include "backend/backend.h"
#include "backend/cuda/context.h"

namespace wan::cuda {

void channel_norm(Context& context, TensorView x, TensorView gamma, Activation activation, TensorView y);

}  // namespace wan::cuda
