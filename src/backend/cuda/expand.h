// Expanding packed matrices. Contract of Backend::expand.
#pragma once

#include <cuda_runtime_api.h>

#include <span>

#include "backend/backend.h"

namespace wan::cuda {

void expand(cudaStream_t stream, const PackedMatrix& matrix, std::span<const LowRankTerm> terms, TensorView y);

}  // namespace wan::cuda
