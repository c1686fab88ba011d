// Products of rows in 8 bits beside those in bf16.
#pragma once

#include "kernels_step.h"

namespace wan::bench {

/// For each product of a layer: bf16, int8 with and without quantising its input, and quantising alone, for about
/// `seconds` each, in turn and twice, so that both kinds see the card alike. First compares rows of the int8 result
/// with the host's to the bit, and throws Error where they differ.
void run_int8(cuda::CudaBackend& backend, const DitShape& shape, double seconds, const Ceilings& ceilings);

}  // namespace wan::bench
