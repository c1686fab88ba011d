// Attention in 8 bits for Hopper (compute capability 9.0): contracts of Backend::quantize_attention and attention8.
#pragma once

#include "backend/backend.h"
#include "backend/cuda/context.h"

namespace wan::cuda {

/// Throws Error naming the card's capability unless it is 9.0.
void require_hopper(const Context& context);

/// Throw Error on another card; asynchronous on the compute stream.
void quantize_attention(Context& context, TensorView q, TensorView k, TensorView v, Attention8& a);
/// Uses the context's scratch.
void attention8(Context& context, const Attention8& a, float scale, TensorView y);

}  // namespace wan::cuda
