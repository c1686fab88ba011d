// Convolution on Hopper's tensor cores: our own implicit matrix product (wgmma fed by the tensor copy engine).
#pragma once

#include "backend/cuda/context.h"
#include "backend/cuda/conv_problem.h"

namespace wan::cuda {

/// Whether `run_hopper_conv` takes this problem on this card: compute capability 9.0, in_channels a multiple of 8, x
/// and weights 16-byte aligned, strides up to 8. Everything else about the shape is free.
bool hopper_conv_accepts(const Context& context, const ConvProblem& problem);

/// Runs on the compute stream; fp32 sums in a fixed order, one rounding after bias and residual.
/// F32: x and weights are bf16 planes (WeightTarget::kPlanes, split_columns), y and residual are F32; a product is off
/// by at most 3 * 2^-16 of itself.
void run_hopper_conv(const Context& context, const ConvProblem& problem);

}  // namespace wan::cuda
