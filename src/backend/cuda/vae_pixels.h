// The VAE's parameter-free shortcuts and its pixel ends. Contracts are those of the Backend functions of the same
// names.
#pragma once

#include "backend/cuda/context.h"
#include "tensor/tensor.h"

namespace wan::cuda {

void dup_up_add(Context& context, TensorView x, int64_t factor_t, int64_t factor_s, bool drop_first, TensorView y);
void avg_down_add(Context& context, TensorView x, int64_t factor_t, int64_t factor_s, TensorView y);
void pixels_to_channels(Context& context, TensorView pixels, int64_t patch, TensorView x);
void channels_to_pixels(Context& context, TensorView x, int64_t patch, TensorView pixels);
void channels_to_rgb8(Context& context, TensorView x, int64_t patch, TensorView frames);

}  // namespace wan::cuda
