// Normalisations of rows (token activations) and of channels (VAE activations), alone and fused with what surrounds
// them. Contracts are those of the Backend functions of the same names.
#pragma once

#include "backend/backend.h"
#include "backend/cuda/context.h"

namespace wan::cuda {

void layer_norm(Context& context, TensorView x, TensorView weight, TensorView bias, float eps, TensorView y);
void modulated_layer_norm(Context& context, TensorView x, TensorView shift, TensorView scale, TensorView row_index,
                          float eps, TensorView y);
void gated_residual(Context& context, TensorView x, TensorView y, TensorView gate, TensorView row_index);
void gated_residual_modulated_norm(Context& context, TensorView x, TensorView y, TensorView gate, TensorView shift,
                                   TensorView scale, TensorView row_index, float eps, TensorView n);
void gated_residual_layer_norm(Context& context, TensorView x, TensorView y, TensorView gate, TensorView row_index,
                               TensorView weight, TensorView bias, float eps, TensorView n);

}  // namespace wan::cuda
