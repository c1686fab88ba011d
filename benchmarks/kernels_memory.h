// The memory-bound kernels at the models' shapes.
#pragma once

#include "kernels_timing.h"

namespace wan::bench {

void run_memory_bound(cuda::CudaBackend& backend, const Ceilings& ceilings);

}  // namespace wan::bench
