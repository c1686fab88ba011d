// Convolution with plain arithmetic: for the shapes and cards no library plan takes. Correct everywhere, fast nowhere.
#pragma once

#include "backend/cuda/context.h"
#include "backend/cuda/conv_problem.h"

namespace wan::cuda {

/// F32 or BF16, any shape, fp32 sums in a fixed order. Not for `upsample` problems. Runs on the compute stream.
void run_direct_conv(const Context& context, const ConvProblem& problem);

}  // namespace wan::cuda
