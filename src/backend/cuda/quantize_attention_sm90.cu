// Attention's operands in 8 bits; apart from attention8_sm90.cu, which multiplies them.
//
// Algorithm. q: eight lanes hold a head of a row, turn it and find its largest value. k: a pass over all rows for the
// means, a run of kAttention8Run keys a block, then its sums in order; then a block takes kAttention8ScaleKeys keys of
// a head, turns them and keeps them in registers until it knows their largest value. v in E4M3: the same pass with the
// least and the largest value, which give the largest distance from the mean; then a block turns 128 keys of a head
// around through shared memory. Bytes an element of q, k, v: 2, 4, 4 read and 1 written; bound by memory.
#include "backend/attention8_contract.h"
#include "backend/cuda/attention8_sm90.h"
#include "backend/cuda/launch.h"
#include "backend/cuda/quantize_int8.cuh"
#include "backend/cuda/sm90_ptx.cuh"
#include "backend/cuda/vector.cuh"

namespace wan::cuda {
namespace {

constexpr int kDim = static_cast<int>(kAttention8Dim);
constexpr int kSixteen = 16;  // neighbours of a thread
constexpr int kLanes = kDim / kSixteen;
constexpr int kThreads = 256;

struct Rows {
  const __nv_bfloat16* data;
  int64_t stride;
  int64_t count;
  int64_t width;
};

__device__ __forceinline__ void load_sixteen(const __nv_bfloat16* from, float (&v)[kSixteen]) {
#pragma unroll
  for (int half = 0; half < 2; ++half) {
    float eight[kVector];
    load_vector<Cache::kStream>(from + half * kVector, eight);
#pragma unroll
    for (int i = 0; i < kVector; ++i) v[half * kVector + i] = eight[i];
  }
}

__device__ __forceinline__ void store_sixteen(int8_t* to, const float (&v)[kSixteen], const Scaling& scaling) {
  uint32_t words[4];
#pragma unroll
  for (int i = 0; i < 4; ++i) words[i] = bytes_of(v[4 * i], v[4 * i + 1], v[4 * i + 2], v[4 * i + 3], scaling);
  *reinterpret_cast<uint4*>(to) = make_uint4(words[0], words[1], words[2], words[3]);
}

// ---- queries -------------------------------------------------------------------------------------------------------

/// A thread for each sixteen values; kThreads of them are whole heads.
__global__ void __launch_bounds__(kThreads)
    queries_kernel(const Rows q, float scale_factor, int8_t* __restrict__ out, float* __restrict__ scale) {
  const int64_t sixteens = q.width / kSixteen, all = q.count * sixteens;
  const int64_t at = blockIdx.x * int64_t{kThreads} + threadIdx.x;
  const bool is_inside = at < all;  // of a whole head together
  const int64_t row = is_inside ? at / sixteens : 0, column = is_inside ? at % sixteens * kSixteen : 0;
  float v[kSixteen];
  load_sixteen(q.data + row * q.stride + column, v);
  turn_own(v, kDim);
  turn_lanes(v, kDim);
  uint32_t most = largest_bits(v);
#pragma unroll
  for (int lanes = 1; lanes < kLanes; lanes *= 2) most = max(most, __shfl_xor_sync(~0u, most, lanes));
  if (!is_inside) return;
  const Scaling scaling = scaling_of(most, scale_factor);
  store_sixteen(out + row * q.width + column, v, scaling);
  if (threadIdx.x % kLanes == 0) scale[column / kDim * q.count + row] = scaling.scale;
}

// ---- means ---------------------------------------------------------------------------------------------------------

enum class Extremes { kNo, kYes };

constexpr int kRunThreads = kDim / 2;  // two channels each

/// Of the channels of a head (blockIdx.y) in a run of rows (blockIdx.x): their sum, least and largest value.
template <Extremes kExtremes>
__global__ void __launch_bounds__(kRunThreads) runs_kernel(const Rows x, float* __restrict__ sums, int64_t runs) {
  constexpr int kAhead = 8;  // rows fetched before they are added
  const int64_t column = blockIdx.y * int64_t{kDim} + 2 * threadIdx.x;
  const int64_t first = blockIdx.x * kAttention8Run;
  const int count = static_cast<int>(min(kAttention8Run, x.count - first));
  const __nv_bfloat16* from = x.data + first * x.stride + column;
  const auto pair_at = [&](int row) {
    return __bfloat1622float2(*reinterpret_cast<const __nv_bfloat162*>(from + row * x.stride));
  };
  float2 sum = pair_at(0), least = sum, largest = sum;
  const auto take = [&](const float2& pair) {
    sum.x += pair.x, sum.y += pair.y;
    if constexpr (kExtremes == Extremes::kYes) {
      least.x = fminf(least.x, pair.x), least.y = fminf(least.y, pair.y);
      largest.x = fmaxf(largest.x, pair.x), largest.y = fmaxf(largest.y, pair.y);
    }
  };
  int row = 1;
  for (; row + kAhead <= count; row += kAhead) {
    float2 pairs[kAhead];
#pragma unroll
    for (int i = 0; i < kAhead; ++i) pairs[i] = pair_at(row + i);
#pragma unroll
    for (int i = 0; i < kAhead; ++i) take(pairs[i]);
  }
  for (; row < count; ++row) take(pair_at(row));
  float* to = sums + blockIdx.x * x.width + column;
  const auto store = [&](const float2& pair) {
    *reinterpret_cast<float2*>(to) = pair;
    to += runs * x.width;
  };
  store(sum);
  if constexpr (kExtremes == Extremes::kYes) store(least), store(largest);
}

__device__ __forceinline__ float mean_of(const float* sums, int64_t runs, int64_t width, int64_t rows) {
  float total = sums[0];
  for (int64_t run = 1; run < runs; ++run) total += sums[run * width];
  return __fdiv_rn(total, static_cast<float>(rows));
}

constexpr int kChannelThreads = 32;  // few, for more blocks: each is a long chain of sums

__global__ void __launch_bounds__(kChannelThreads)
    means_kernel(const float* __restrict__ sums, int64_t runs, int64_t width, int64_t rows, float* __restrict__ mean) {
  const int64_t i = blockIdx.x * int64_t{kChannelThreads} + threadIdx.x;
  mean[i] = mean_of(sums + i, runs, width, rows);
}

// ---- keys ----------------------------------------------------------------------------------------------------------

constexpr int kKeys = static_cast<int>(kAttention8ScaleKeys);
constexpr int kKeysAtOnce = kThreads / kLanes;
constexpr int kKeyRounds = kKeys / kKeysAtOnce;

/// The keys that share a scale (blockIdx.x) of a head (blockIdx.y).
__global__ void __launch_bounds__(kThreads)
    keys_kernel(const Rows k, const float* __restrict__ mean, float scale_factor, int8_t* __restrict__ out,
                float* __restrict__ scale, int64_t scales) {
  __shared__ uint32_t partial[32];
  const int64_t column = blockIdx.y * int64_t{kDim} + threadIdx.x % kLanes * kSixteen;
  const int64_t first = blockIdx.x * int64_t{kKeys} + threadIdx.x / kLanes;
  float v[kKeyRounds][kSixteen], centre[kSixteen];
#pragma unroll
  for (int i = 0; i < kSixteen; ++i) centre[i] = mean[column + i];
  uint32_t most = 0;
#pragma unroll
  for (int round = 0; round < kKeyRounds; ++round) {
    const int64_t row = first + round * kKeysAtOnce;
    if (row < k.count) {
      load_sixteen(k.data + row * k.stride + column, v[round]);
#pragma unroll
      for (int i = 0; i < kSixteen; ++i) v[round][i] = __fsub_rn(v[round][i], centre[i]);
    } else {
#pragma unroll
      for (int i = 0; i < kSixteen; ++i) v[round][i] = 0.0f;
    }
    turn_own(v[round], kDim);
    turn_lanes(v[round], kDim);
    most = max(most, largest_bits(v[round]));
  }
  const Scaling scaling = scaling_of(most_of_block(most, partial), scale_factor);
  if (threadIdx.x == 0) scale[blockIdx.y * scales + blockIdx.x] = scaling.scale;
#pragma unroll
  for (int round = 0; round < kKeyRounds; ++round) {
    const int64_t row = first + round * kKeysAtOnce;
    if (row < k.count) store_sixteen(out + row * k.width + column, v[round], scaling);
  }
}

// ---- values --------------------------------------------------------------------------------------------------------

/// Means, scales, and the factors that values are multiplied by, which are 0 where they become zeros.
__global__ void __launch_bounds__(kChannelThreads)
    channels_kernel(const float* __restrict__ sums, int64_t runs, int64_t width, int64_t rows, float* __restrict__ mean,
                    float* __restrict__ scale, float* __restrict__ factor) {
  const int64_t i = blockIdx.x * int64_t{kChannelThreads} + threadIdx.x;
  const float *lows = sums + runs * width + i, *highs = lows + runs * width;
  const float centre = mean_of(sums + i, runs, width, rows);
  float low = lows[0], high = highs[0];
  for (int64_t run = 1; run < runs; ++run) {
    low = fminf(low, lows[run * width]);
    high = fmaxf(high, highs[run * width]);
  }
  const auto bits = [&](float value) { return __float_as_uint(__fsub_rn(value, centre)) & 0x7fffffffu; };
  const uint32_t most = max(bits(low), bits(high));
  const float largest = __uint_as_float(most);
  const bool is_finite = most < kInfinityBits, is_tiny = largest < kInt8Tiny;
  mean[i] = centre;
  scale[i] = !is_finite ? __uint_as_float(kNanBits) : is_tiny ? 0.0f : __fdiv_rn(largest, kE4m3Top);
  factor[i] = !is_finite || is_tiny ? 0.0f : __fdiv_rn(kE4m3Top, largest);
}

constexpr int kTileKeys = static_cast<int>(kAttention8ValueRow);
constexpr int kGroups = kDim / kVector;  // of a row's channels
constexpr int kQuads = kTileKeys / 4;    // of keys that become neighbours: a word
constexpr int kQuadsAtOnce = kThreads / kGroups;
constexpr int kWordStride = kQuads + 1;

/// The first key of a word; the others are 1, 8 and 9 behind it. Inverse of attention8_value_place.
__device__ __forceinline__ int first_key(int word) { return word / 4 * 16 + word % 4 * 2; }

/// kTileKeys keys (blockIdx.x) of a head (blockIdx.y), transposed.
__global__ void __launch_bounds__(kThreads)
    values_kernel(const Rows v, const float* __restrict__ mean, const float* __restrict__ factor,
                  uint8_t* __restrict__ out, int64_t padded) {
  __shared__ uint32_t words[kDim * kWordStride];
  const int group = static_cast<int>(threadIdx.x) % kGroups;
  const int64_t head = blockIdx.y * int64_t{kDim}, column = head + group * kVector;
  const int64_t first = blockIdx.x * int64_t{kTileKeys};
  float centre[kVector], factors[kVector];
#pragma unroll
  for (int i = 0; i < kVector; ++i) centre[i] = mean[column + i], factors[i] = factor[column + i];
#pragma unroll
  for (int word = static_cast<int>(threadIdx.x) / kGroups; word < kQuads; word += kQuadsAtOnce) {
    float x[4][kVector];
#pragma unroll
    for (int j = 0; j < 4; ++j) {
      const int64_t key = first + first_key(word) + j / 2 * 8 + j % 2;
      if (key < v.count) load_vector<Cache::kStream>(v.data + key * v.stride + column, x[j]);
#pragma unroll
      for (int i = 0; i < kVector; ++i) {
        const bool is_zero = key >= v.count || factors[i] == 0.0f;
        x[j][i] = is_zero ? 0.0f : __fmul_rn(__fsub_rn(x[j][i], centre[i]), factors[i]);
      }
    }
#pragma unroll
    for (int i = 0; i < kVector; ++i)
      words[(group * kVector + i) * kWordStride + word] = sm90::pack_e4m3(x[0][i], x[1][i], x[2][i], x[3][i]);
  }
  __syncthreads();
  for (int i = static_cast<int>(threadIdx.x); i < kDim * kQuads; i += kThreads) {
    const int channel = i / kQuads, word = i % kQuads;
    reinterpret_cast<uint32_t*>(out + (head + channel) * padded + first)[word] = words[channel * kWordStride + word];
  }
}

// ---- host ----------------------------------------------------------------------------------------------------------

Rows rows_of(const TensorView& x) {
  return {static_cast<const __nv_bfloat16*>(x.data), row_stride(x), x.shape[0], x.shape[1]};
}

dim3 grid_of(int64_t parts, int64_t heads) { return {static_cast<unsigned>(parts), static_cast<unsigned>(heads)}; }

}  // namespace

void require_hopper(const Context& context) {
  expect(context.capability == 90, [&] {
    return message("attention in 8 bits needs a card of compute capability 9.0, found {}.{}", context.capability / 10,
                   context.capability % 10);
  });
}

void quantize_attention(Context& context, TensorView q, TensorView k, TensorView v, Attention8& a) {
  require_hopper(context);
  require_quantizable_attention(q, k, v, a, Memory::kDevice);
  require_op(q.dtype == DType::kBF16, "attention in 8 bits on CUDA takes BF16");
  constexpr int64_t kMostHeads = 65535, kMostRows = int64_t{1} << 30;
  const int64_t heads = a.heads(), width = q.shape[1], keys = k.shape[0], runs = attention8_runs(keys);
  expect(heads <= kMostHeads && q.shape[0] * heads < kMostRows && keys < kMostRows,
         [&] { return message("attention of {} to {} is too large", q.shape, k.shape); });
  const float factor = int8_scale_factor(kDim);
  const auto channel_blocks = static_cast<unsigned>(width / kChannelThreads);
  if (q.shape[0] > 0) {
    const auto blocks = static_cast<unsigned>(ceil_div(q.shape[0] * width / kSixteen, kThreads));
    queries_kernel<<<blocks, kThreads, 0, context.compute>>>(rows_of(q), factor, a.q.as<int8_t>(),
                                                             a.q_scale.as<float>());
    check(cudaGetLastError());
  }
  float *const line = a.scratch.as<float>(), *const sums = line + width;  // the means of k, then the factors of v
  check(cudaMemsetAsync(a.k_scale.data, 0, a.k_scale.bytes(), context.compute));
  runs_kernel<Extremes::kNo><<<grid_of(runs, heads), kRunThreads, 0, context.compute>>>(rows_of(k), sums, runs);
  means_kernel<<<channel_blocks, kChannelThreads, 0, context.compute>>>(sums, runs, width, keys, line);
  keys_kernel<<<grid_of(attention8_scales(keys), heads), kThreads, 0, context.compute>>>(
      rows_of(k), line, factor, a.k.as<int8_t>(), a.k_scale.as<float>(), a.k_scale.shape[1]);
  check(cudaGetLastError());
  if (a.form == AttentionForm::k8And16) {
    a.v = v;
    return;
  }
  runs_kernel<Extremes::kYes><<<grid_of(runs, heads), kRunThreads, 0, context.compute>>>(rows_of(v), sums, runs);
  channels_kernel<<<channel_blocks, kChannelThreads, 0, context.compute>>>(
      sums, runs, width, keys, a.v_mean.as<float>(), a.v_scale.as<float>(), line);
  values_kernel<<<grid_of(a.v.shape[1] / kTileKeys, heads), kThreads, 0, context.compute>>>(
      rows_of(v), a.v_mean.as<float>(), line, static_cast<uint8_t*>(a.v.data), a.v.shape[1]);
  check(cudaGetLastError());
}

}  // namespace wan::cuda
