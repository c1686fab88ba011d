// Attention for Hopper (compute capability 9.0): bf16, head dimension 128, any lengths.
#pragma once

#include "backend/cuda/attention_shape.h"
#include "backend/cuda/context.h"

namespace wan::cuda {

/// Whether the kernel takes this call: capability 9.0, bf16, head dimension 128, rows aligned to 16 bytes, positive
/// scale.
bool sm90_attention_accepts(const Context& context, const AttentionCall& call);
/// Asynchronous on the compute stream; uses the context's scratch; the first call finds the driver's tensor map
/// encoder.
void sm90_attention(Context& context, const AttentionCall& call);

}  // namespace wan::cuda
