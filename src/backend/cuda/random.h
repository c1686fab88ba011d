// Seeded normal values made on the device. Contract of Backend::fill_normal.
#pragma once

#include <cstdint>

#include "backend/cuda/context.h"
#include "tensor/tensor.h"

namespace wan::cuda {

void fill_normal(cudaStream_t stream, int multiprocessors, TensorView y, uint64_t seed, uint64_t first, float mean,
                 float deviation);

}  // namespace wan::cuda
