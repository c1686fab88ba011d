// Attention in 8 bits beside attention in bf16.
#pragma once

#include "kernels_step.h"

namespace wan::bench {

/// Self-attention of a layer: bf16, and each form of 8 bits with and without quantising its operands, and quantising
/// alone, for about `seconds` each, in turn and twice, so that all see the card alike. First prints how far each form
/// is from bf16 on these data, and throws Error where that is more than its format explains. Nothing where the card has
/// no attention in 8 bits.
void run_attention8(cuda::CudaBackend& backend, const DitShape& shape, double seconds, const Ceilings& ceilings);

}  // namespace wan::bench
