// The DiT's patches of 1x2x2. A latent is a few tens of megabytes, touched once a step: one pass, bound by memory and
// launch.
#include "backend/cuda/launch.h"
#include "backend/cuda/patch.h"
#include "backend/cuda/vector.cuh"
#include "backend/patch.h"

namespace wan::cuda {
namespace {

constexpr int kThreads = 256;
constexpr int kSide = kPatchSide;

struct Grid {  // tokens of a latent [C, T, side rows, side columns]
  int64_t channels = 0, frames = 0, rows = 0, columns = 0;
  __host__ __device__ int64_t tokens() const { return frames * rows * columns; }
  /// Offset in the latent of the top left element of token `index` in channel `c`.
  __device__ int64_t corner(int64_t c, int64_t index) const {
    const int64_t column = index % columns, row = index / columns % rows, frame = index / columns / rows;
    return ((c * frames + frame) * rows * kSide + row * kSide) * columns * kSide + column * kSide;
  }
};

template <typename Y>
__global__ void __launch_bounds__(kThreads) patchify_kernel(const float* x, Y* y, int64_t y_stride, const Grid grid) {
  const int64_t index = static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x;
  if (index >= grid.tokens()) return;
  for (int64_t c = blockIdx.y; c < grid.channels; c += gridDim.y) {
    const int64_t corner = grid.corner(c, index);
    Y* const to = y + index * y_stride + c * kSide * kSide;
    for (int p = 0; p < kSide; ++p) {
      for (int q = 0; q < kSide; ++q) to[kSide * p + q] = from_float<Y>(x[corner + p * grid.columns * kSide + q]);
    }
  }
}

template <typename X>
__global__ void __launch_bounds__(kThreads) unpatchify_kernel(const X* o, int64_t o_stride, float* y, const Grid grid) {
  const int64_t index = static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x;
  if (index >= grid.tokens()) return;
  for (int64_t c = blockIdx.y; c < grid.channels; c += gridDim.y) {
    const int64_t corner = grid.corner(c, index);
    const X* const from = o + index * o_stride + c;
    for (int p = 0; p < kSide; ++p) {
      for (int q = 0; q < kSide; ++q)
        y[corner + p * grid.columns * kSide + q] = to_float(from[(kSide * p + q) * grid.channels]);
    }
  }
}

Grid checked_grid(const TensorView& latent, const TensorView& rows) {
  require_op(latent.rank() == 4 && latent.is_contiguous() && latent.dtype == DType::kF32,
             "the latent must be contiguous F32 [C, T, H, W]");
  expect(latent.shape[2] % kSide == 0 && latent.shape[3] % kSide == 0,
         [&] { return message("latent {} has odd sides", latent.shape); });
  const Grid grid{latent.shape[0], latent.shape[1], latent.shape[2] / kSide, latent.shape[3] / kSide};
  const Shape expected{grid.tokens(), kSide * kSide * grid.channels};
  expect(rows.rank() == 2 && rows.shape == expected && rows.stride(1) == 1 && is_float(rows),
         [&] { return message("rows must be F32 or BF16 {} with unit inner stride, found {}", expected, rows.shape); });
  return grid;
}

dim3 launch_grid(const Grid& grid) {
  return {static_cast<unsigned>(ceil_div(grid.tokens(), kThreads)),
          static_cast<unsigned>(std::min<int64_t>(grid.channels, 65535))};
}

}  // namespace

void patchify(Context& context, TensorView x, TensorView y) {
  const Grid grid = checked_grid(x, y);
  if (x.count() == 0) return;
  with_float_type(y, [&]<typename Y>(Y*) {
    patchify_kernel<<<launch_grid(grid), kThreads, 0, context.compute>>>(x.as<float>(), static_cast<Y*>(y.data),
                                                                         row_stride(y), grid);
  });
  check(cudaGetLastError());
}

void unpatchify(Context& context, TensorView o, TensorView y) {
  const Grid grid = checked_grid(y, o);
  if (y.count() == 0) return;
  with_float_type(o, [&]<typename X>(X*) {
    unpatchify_kernel<<<launch_grid(grid), kThreads, 0, context.compute>>>(static_cast<const X*>(o.data), row_stride(o),
                                                                           y.as<float>(), grid);
  });
  check(cudaGetLastError());
}

}  // namespace wan::cuda
