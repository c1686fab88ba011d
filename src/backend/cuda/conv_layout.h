// Data movement around convolutions: weights into the layout the kernels want, padded channels, plain enlargement.
#pragma once

#include <cstdint>

#include "backend/cuda/context.h"
#include "tensor/dtype.h"

namespace wan::cuda {

struct WeightExtents {
  int64_t out_channels, in_channels;  // of the source
  int64_t taps;                       // kt * kh * kw
  int64_t out_channels_padded, in_channels_padded;
};

/// What weights become. kPlanes: each value as bf16(v) and bf16(v - bf16(v)), all high parts before all low parts.
enum class WeightTarget { kF32, kBF16, kPlanes };

/// Output channels [first, first + count) of `from` [count, I, taps] (F32, F16 or BF16) into `to` [O_padded, taps,
/// I_padded], missing input channels zero. Source and target are device memory.
void repack_weights(const Context& context, const void* from, DType from_dtype, void* to, WeightTarget target,
                    const WeightExtents& extents, int64_t first, int64_t count);

/// As repack_weights for a 3x3 kernel on the x2 enlarged grid: `to` [2, 2, O_padded, 2, 2, I_padded], each the F32 sum
/// of the kernel elements that meet the same small-grid pixel, rounded once.
void sum_upsample_weights(const Context& context, const void* from, DType from_dtype, void* to, WeightTarget target,
                          const WeightExtents& extents, int64_t first, int64_t count);

/// F32 from [rows, from_width] into two bf16 planes to [2, rows, to_width], high and low parts, zeros in added columns.
void split_columns(const Context& context, const void* from, int64_t from_width, void* to, int64_t to_width,
                   int64_t rows);

/// to [rows, to_width] = the first columns of from [rows, from_width], zeros beyond them. F32 or BF16.
void copy_columns(const Context& context, const void* from, int64_t from_width, void* to, int64_t to_width,
                  int64_t rows, DType dtype);

/// y [T, 2H, 2W, C] = x [T, H, W, C] repeated. F32 or BF16.
void enlarge_nearest(const Context& context, const void* x, void* y, int64_t frames, int64_t height, int64_t width,
                     int64_t channels, DType dtype);

}  // namespace wan::cuda
