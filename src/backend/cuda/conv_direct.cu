// Implicit matrix product on the plain fp32 units: a block sums 64 pixels x 64 output channels, 4 x 4 a thread, over
// slices of 16 (tap, channel) pairs held in shared memory. Bound by fp32 arithmetic: a third of the card's fp32 peak at
// best.
#include "backend/cuda/conv_direct.h"

#include <cuda_bf16.h>

#include "base/error.h"

namespace wan::cuda {
namespace {

constexpr int kTile = 64, kSlice = 16, kThreads = 256, kEach = 4;

__device__ float widen(float value) { return value; }
__device__ float widen(__nv_bfloat16 value) { return __bfloat162float(value); }
__device__ void narrow(float value, float& to) { to = value; }
__device__ void narrow(float value, __nv_bfloat16& to) { to = __float2bfloat16_rn(value); }

struct Pixel {
  int64_t t, h, w;
};

__device__ Pixel pixel_of(const ConvProblem& p, int64_t index) {
  return {index / (p.width * p.height), index / p.width % p.height, index % p.width};
}

/// x at this output pixel and (tap, channel) index k; zero outside.
template <typename T>
__device__ float input_at(const ConvProblem& p, int64_t pixel, int64_t k) {
  if (pixel >= p.frames * p.height * p.width || k >= p.kernel_t * p.kernel_h * p.kernel_w * p.in_channels) return 0.0f;
  const Pixel at = pixel_of(p, pixel);
  const int64_t c = k % p.in_channels, tap = k / p.in_channels;
  const int64_t t = at.t * p.stride_t + tap / (p.kernel_h * p.kernel_w);
  const int64_t h = at.h * p.stride_h + tap / p.kernel_w % p.kernel_h - p.pad_top;
  const int64_t w = at.w * p.stride_w + tap % p.kernel_w - p.pad_left;
  if (h < 0 || h >= p.height_in || w < 0 || w >= p.width_in) return 0.0f;
  return widen(static_cast<const T*>(p.x)[((t * p.height_in + h) * p.width_in + w) * p.in_channels + c]);
}

template <typename T>
__device__ void write(const ConvProblem& p, int64_t pixel, int64_t o, float sum) {
  if (pixel >= p.frames * p.height * p.width || o >= p.out_channels) return;
  const int64_t frame = p.height * p.width * p.out_channels;
  float value = sum + p.bias[o];
  if (p.residual != nullptr) value += widen(static_cast<const T*>(p.residual)[pixel * p.out_channels + o]);
  const int64_t within = pixel % (p.height * p.width) * p.out_channels + o;
  narrow(value, static_cast<T*>(p.y)[pixel * p.out_channels / frame * p.y_frame_stride + within]);
}

template <typename T>
__global__ void __launch_bounds__(kThreads) direct_kernel(ConvProblem p) {
  __shared__ float inputs[kSlice][kTile + 4], weights[kSlice][kTile + 4];
  const int64_t pixel0 = int64_t{blockIdx.x} * kTile, o0 = int64_t{blockIdx.y} * kTile;
  const int64_t depth = p.kernel_t * p.kernel_h * p.kernel_w * p.in_channels;
  const int row = threadIdx.x / kSlice, k_in = threadIdx.x % kSlice;
  const int my_pixel = threadIdx.x / 16 * kEach, my_o = threadIdx.x % 16 * kEach;
  float sums[kEach][kEach] = {};
  for (int64_t k0 = 0; k0 < depth; k0 += kSlice) {
    for (int r = row; r < kTile; r += kThreads / kSlice) {
      inputs[k_in][r] = input_at<T>(p, pixel0 + r, k0 + k_in);
      const bool exists = o0 + r < p.out_channels && k0 + k_in < depth;
      weights[k_in][r] = exists ? widen(static_cast<const T*>(p.weights)[(o0 + r) * depth + k0 + k_in]) : 0.0f;
    }
    __syncthreads();
    for (int k = 0; k < kSlice; ++k)
      for (int i = 0; i < kEach; ++i)
        for (int j = 0; j < kEach; ++j) sums[i][j] += inputs[k][my_pixel + i] * weights[k][my_o + j];
    __syncthreads();
  }
  for (int i = 0; i < kEach; ++i)
    for (int j = 0; j < kEach; ++j) write<T>(p, pixel0 + my_pixel + i, o0 + my_o + j, sums[i][j]);
}

}  // namespace

void run_direct_conv(const Context& context, const ConvProblem& p) {
  require_op(!p.upsample, "the direct kernel wants the enlarged input");
  const dim3 grid(static_cast<unsigned>((p.frames * p.height * p.width + kTile - 1) / kTile),
                  static_cast<unsigned>((p.out_channels + kTile - 1) / kTile));
  if (p.dtype == DType::kF32)
    direct_kernel<float><<<grid, kThreads, 0, context.compute>>>(p);
  else
    direct_kernel<__nv_bfloat16><<<grid, kThreads, 0, context.compute>>>(p);
  check(cudaGetLastError());
}

}  // namespace wan::cuda
