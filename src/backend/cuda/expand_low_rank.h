// Expanding packed matrices with terms, for columns that come in octets. Private to expand.cu.
#pragma once

#include <cuda_bf16.h>
#include <cuda_runtime_api.h>

#include "backend/cuda/expand_terms.cuh"

namespace wan::cuda {

/// y in BF16, at an address that is a multiple of 16.
void expand_low_rank(cudaStream_t stream, const PackedForm& form, const PackedSource& from, const Terms& terms,
                     __nv_bfloat16* y);

}  // namespace wan::cuda
