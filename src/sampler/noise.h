// Starting noise equal to torch.randn's, so that a seed means here what it means in the official pipelines.
#pragma once

#include <cstdint>
#include <span>

namespace wan {

/// The card whose stream is reproduced: torch deals a tensor's elements to as many threads as the card can hold, so
/// noise of more than 270,336 elements depends on these two numbers. The default, an H100 or H200 SXM, is used whatever
/// card runs.
struct CudaGrid {
  int64_t multiprocessors = 132;
  int64_t threads_per_multiprocessor = 2048;
};

/// The first draw of torch.randn(n, generator=torch.Generator("cuda").manual_seed(seed)) in float32, or the one that
/// follows `draws_before` draws of the same n. Within 1.5e-6 of the card's values, which come from its approximate
/// logarithm, sine and cosine. Runs on all allowed cores. Throws Error(kUsage) for a grid that is not positive. Source:
/// Salmon et al. 2011, Philox4x32-10; PyTorch aten/src/ATen/native/cuda/DistributionTemplates.h
/// (distribution_elementwise_grid_stride_kernel, calc_execution_policy: a draw moves the generator on by the calls that
/// each of its threads made).
void cuda_normal(uint64_t seed, const CudaGrid& grid, std::span<float> out, uint64_t draws_before = 0);

/// The first draw of a torch CPU generator with this seed, in float32, within 2.4e-7. Only the seed's low 32 bits
/// count. Source: Matsumoto & Nishimura 1998, MT19937; PyTorch aten/src/ATen/native/cpu/DistributionTemplates.h
/// (normal_fill).
void cpu_normal(uint64_t seed, std::span<float> out);

}  // namespace wan
