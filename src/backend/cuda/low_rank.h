// Merging LoRAs on the device. Contract of Backend::add_low_rank.
#pragma once

#include "backend/cuda/context.h"
#include "tensor/tensor.h"

namespace wan::cuda {

void add_low_rank(cudaStream_t stream, TensorView base, TensorView up, TensorView down, float factor, TensorView y);

}  // namespace wan::cuda
