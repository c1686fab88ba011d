// The VAE's normalisation over channels, with SiLU.
// Algorithm: a group of G lanes (a power of two) holds a position's C channels, K vectors of eight a lane with G K 8 =
// C, so that one shuffle reduction finishes it; two or four positions a lane where K is small, so that 48 to 80 bytes a
// lane are in flight. Bytes per bf16 element: 2 read + 2 written; about 8 operations and one exponential. Bound by
// memory.
#include <cmath>

#include "backend/cuda/channel_norm.h"
#include "backend/cuda/launch.h"
#include "backend/cuda/vector.cuh"

namespace wan::cuda {
namespace {

constexpr int kThreads = 256;
constexpr int kMostVectors = 5;  // K: the models' channel counts are powers of two times 1, 3 or 5
constexpr int kWaves = 8;  // blocks waiting for each that runs: their turns drift apart, which keeps memory busier
constexpr float kSmallestNorm = 1e-12f;

struct Arguments {
  const void* x = nullptr;
  void* y = nullptr;
  const float* gamma = nullptr;
  int64_t rows = 0;
  int channels = 0;
  int lanes = 0;  // G
  Activation activation = Activation::kNone;
};

__device__ float activated(float value, Activation activation) {
  if (activation == Activation::kSilu) return silu(value);
  if (activation == Activation::kGeluTanh) return gelu_tanh(value);
  if (activation == Activation::kGelu) return gelu(value);
  if (activation == Activation::kLeakyRelu) return leaky_relu(value);
  return value;
}

constexpr int positions_of(int vectors) { return vectors == 1 ? 4 : vectors == 2 ? 2 : 1; }

template <typename X, typename Y, int kVectors>
__global__ void __launch_bounds__(kThreads) channel_norm_kernel(const Arguments a) {
  constexpr int kPositions = positions_of(kVectors);
  const X* const x = static_cast<const X*>(a.x);
  Y* const y = static_cast<Y*>(a.y);
  const int lane = static_cast<int>(threadIdx.x) % a.lanes;
  const int64_t groups = static_cast<int64_t>(gridDim.x) * (kThreads / a.lanes);
  const int64_t group = (static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x) / a.lanes;
  const float root = sqrtf(static_cast<float>(a.channels));
  const auto offset = [&](int j) { return (j * a.lanes + lane) * kVector; };

  float gamma[kVectors][kVector];
#pragma unroll
  for (int j = 0; j < kVectors; ++j) {
    load_vector<Cache::kKeep>(a.gamma + offset(j), gamma[j]);
#pragma unroll
    for (int i = 0; i < kVector; ++i) gamma[j][i] *= root;
  }
  // Every lane of a warp takes the same number of turns: a turn's surplus positions read the last row and write
  // nothing.
  for (int64_t turn = 0; turn * groups * kPositions < a.rows; ++turn) {
    Packed<X> packed[kPositions][kVectors];
    int64_t rows[kPositions];
#pragma unroll
    for (int p = 0; p < kPositions; ++p) {
      rows[p] = (turn * kPositions + p) * groups + group;
      const X* from = x + min(rows[p], a.rows - 1) * a.channels;
#pragma unroll
      for (int j = 0; j < kVectors; ++j) packed[p][j] = load_packed<Cache::kStream>(from + offset(j));
    }
#pragma unroll
    for (int p = 0; p < kPositions; ++p) {
      float v[kVectors][kVector], square = 0;
#pragma unroll
      for (int j = 0; j < kVectors; ++j) {
        unpack(packed[p][j], v[j]);
#pragma unroll
        for (int i = 0; i < kVector; ++i) square += v[j][i] * v[j][i];
      }
      const float inverse = 1.0f / fmaxf(sqrtf(sum_lanes(square, a.lanes)), kSmallestNorm);
      if (rows[p] >= a.rows) continue;
#pragma unroll
      for (int j = 0; j < kVectors; ++j) {
#pragma unroll
        for (int i = 0; i < kVector; ++i) v[j][i] = activated(v[j][i] * inverse * gamma[j][i], a.activation);
        store_vector<Cache::kStream>(y + rows[p] * a.channels + offset(j), v[j]);
      }
    }
  }
}

/// Any channel count and alignment: a warp for each position, channels 32 apart.
template <typename X, typename Y>
__global__ void __launch_bounds__(kThreads) channel_norm_any_kernel(const Arguments a) {
  const int lane = static_cast<int>(threadIdx.x) % 32;
  const int64_t warps = static_cast<int64_t>(gridDim.x) * (kThreads / 32);
  const float root = sqrtf(static_cast<float>(a.channels));
  for (int64_t row = (static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x) / 32; row < a.rows; row += warps) {
    const X* const from = static_cast<const X*>(a.x) + row * a.channels;
    Y* const to = static_cast<Y*>(a.y) + row * a.channels;
    float square = 0;
    for (int c = lane; c < a.channels; c += 32) square += to_float(from[c]) * to_float(from[c]);
    const float inverse = root / fmaxf(sqrtf(sum_lanes(square, 32)), kSmallestNorm);
    for (int c = lane; c < a.channels; c += 32) {
      to[c] = from_float<Y>(activated(to_float(from[c]) * inverse * a.gamma[c], a.activation));
    }
  }
}

/// K for these channels, or 0 when they do not fit the fast form. Prefers the K that keeps most bytes in flight with
/// whole lanes.
int vectors_for(int64_t channels) {
  if (channels % kVector != 0) return 0;
  for (int vectors : {5, 3, 1, 2, 4}) {
    const int64_t lanes = channels / kVector / vectors;
    if (lanes * vectors * kVector == channels && lanes <= 32 && (lanes & (lanes - 1)) == 0) return vectors;
  }
  return 0;
}

template <typename Kernel>
void launch(Context& context, const Arguments& arguments, Kernel kernel, int64_t rows_of_a_block) {
  int blocks = 0;
  check(cudaOccupancyMaxActiveBlocksPerMultiprocessor(&blocks, kernel, kThreads, 0));
  const unsigned grid = grid_for(ceil_div(arguments.rows, rows_of_a_block), context.multiprocessors, kWaves * blocks);
  kernel<<<grid, kThreads, 0, context.compute>>>(arguments);
  check(cudaGetLastError());
}

template <typename X, typename Y>
void launch(Context& context, Arguments arguments, int vectors) {
  if (vectors == 0) return launch(context, arguments, channel_norm_any_kernel<X, Y>, kThreads / 32);
  arguments.lanes = arguments.channels / kVector / vectors;
  const int64_t rows = int64_t{kThreads} / arguments.lanes * positions_of(vectors);
  switch (vectors) {
    case 1: return launch(context, arguments, channel_norm_kernel<X, Y, 1>, rows);
    case 2: return launch(context, arguments, channel_norm_kernel<X, Y, 2>, rows);
    case 3: return launch(context, arguments, channel_norm_kernel<X, Y, 3>, rows);
    case 4: return launch(context, arguments, channel_norm_kernel<X, Y, 4>, rows);
    default: return launch(context, arguments, channel_norm_kernel<X, Y, kMostVectors>, rows);
  }
}

}  // namespace

void channel_norm(Context& context, TensorView x, TensorView gamma, Activation activation, TensorView y) {
  expect(x.rank() >= 1 && x.shape == y.shape && x.is_contiguous() && y.is_contiguous(),
         [&] { return message("x and y must be contiguous and of one shape, found {} and {}", x.shape, y.shape); });
  if (x.count() == 0) return;
  const int64_t channels = x.shape[-1];
  require_op(gamma.rank() == 1 && gamma.shape[0] == channels && gamma.is_contiguous(), "gamma must be F32 [C]");
  Arguments a;
  a.x = x.data;
  a.y = y.data;
  a.gamma = gamma.as<float>();
  a.rows = x.count() / channels;
  a.channels = static_cast<int>(channels);
  a.activation = activation;
  const bool aligned = is_aligned(x.data) && is_aligned(y.data) && is_aligned(gamma.data);
  with_float_type(x, [&]<typename X>(X*) {
    with_float_type(y, [&]<typename Y>(Y*) { launch<X, Y>(context, a, aligned ? vectors_for(channels) : 0); });
  });
}

}  // namespace wan::cuda
