// Algorithm: a warp keeps the keys and values of 256 columns of a group in its registers and passes over the group's
// queries. A lane has eight columns; the scores of a head are summed over its lanes. Bytes per bf16 element of q: 2
// read and 2 written; with K keys 4 K operations, and K log2(Dh / 8) shuffles for each eight elements. Counted, not
// timed: with five keys of 128 some 200 instructions for 256 elements, which take about as long as their memory does.
#include "backend/cuda/attention_few_keys.h"
#include "backend/cuda/launch.h"
#include "backend/cuda/vector.cuh"

namespace wan::cuda {
namespace {

constexpr int kThreads = 128, kWarps = kThreads / 32;
constexpr int kMostKeys = 8;
constexpr int kWarpColumns = 32 * kVector;
constexpr int64_t kMostGroups = 65535;  // of a grid's second axis

struct Arguments {
  const void* q = nullptr;
  const void* k = nullptr;
  const void* v = nullptr;
  void* out = nullptr;
  int64_t q_stride = 0, k_stride = 0, v_stride = 0, out_stride = 0;
  int64_t rows = 0;  // of q in a group
  int width = 0;     // columns
  int head_lanes = 1;
  float scale = 1;
};

template <typename T, int kKeys>
__global__ void __launch_bounds__(kThreads) few_keys_kernel(const Arguments a) {
  const int column = static_cast<int>(blockIdx.x) * kWarpColumns + static_cast<int>(threadIdx.x) % 32 * kVector;
  const bool has = column < a.width;  // the others still take part in the sums
  const int64_t group = blockIdx.y;
  Packed<T> keys[kKeys]{}, values[kKeys]{};
  if (has) {
    const T* const k = static_cast<const T*>(a.k) + group * kKeys * a.k_stride + column;
    const T* const v = static_cast<const T*>(a.v) + group * kKeys * a.v_stride + column;
#pragma unroll
    for (int i = 0; i < kKeys; ++i) {
      keys[i] = load_packed<Cache::kKeep>(k + i * a.k_stride);
      values[i] = load_packed<Cache::kKeep>(v + i * a.v_stride);
    }
  }
  const T* const q = static_cast<const T*>(a.q) + group * a.rows * a.q_stride + column;
  T* const out = static_cast<T*>(a.out) + group * a.rows * a.out_stride + column;
  const int64_t step = static_cast<int64_t>(gridDim.z) * kWarps;
  for (int64_t row = blockIdx.z * kWarps + threadIdx.x / 32; row < a.rows; row += step) {
    float query[kVector] = {};
    if (has) load_vector<Cache::kStream>(q + row * a.q_stride, query);
    float score[kKeys];
    float largest = -INFINITY;
#pragma unroll
    for (int i = 0; i < kKeys; ++i) {
      float key[kVector];
      unpack(keys[i], key);
      float dot = 0;
#pragma unroll
      for (int j = 0; j < kVector; ++j) dot += query[j] * key[j];
      score[i] = sum_lanes(dot, a.head_lanes) * a.scale;
      largest = fmaxf(largest, score[i]);
    }
    float sum = 0, mixed[kVector] = {};
#pragma unroll
    for (int i = 0; i < kKeys; ++i) {
      const float weight = expf(score[i] - largest);
      sum += weight;
      float value[kVector];
      unpack(values[i], value);
#pragma unroll
      for (int j = 0; j < kVector; ++j) mixed[j] += weight * value[j];
    }
    const float inverse = 1.0f / sum;
#pragma unroll
    for (int j = 0; j < kVector; ++j) mixed[j] *= inverse;
    if (has) store_vector<Cache::kKeep>(out + row * a.out_stride, mixed);
  }
}

template <typename T, int kKeys>
void launch(Context& context, const Arguments& a, int64_t groups) {
  const auto chunks = static_cast<unsigned>(ceil_div(a.width, kWarpColumns));
  const int64_t blocks = int64_t{chunks} * groups;  // of one pass over the keys
  const int64_t splits =
      std::clamp<int64_t>(ceil_div(int64_t{context.multiprocessors} * 32, blocks), 1, ceil_div(a.rows, kWarps));
  const dim3 grid(chunks, static_cast<unsigned>(groups), static_cast<unsigned>(std::min(splits, kMostGroups)));
  few_keys_kernel<T, kKeys><<<grid, kThreads, 0, context.compute>>>(a);
  check(cudaGetLastError());
}

template <typename T>
void launch_for(Context& context, const Arguments& a, int64_t keys, int64_t groups) {
  switch (keys) {
    case 1: return launch<T, 1>(context, a, groups);
    case 2: return launch<T, 2>(context, a, groups);
    case 3: return launch<T, 3>(context, a, groups);
    case 4: return launch<T, 4>(context, a, groups);
    case 5: return launch<T, 5>(context, a, groups);
    case 6: return launch<T, 6>(context, a, groups);
    case 7: return launch<T, 7>(context, a, groups);
    default: return launch<T, 8>(context, a, groups);
  }
}

}  // namespace

bool few_keys_attention_accepts(const AttentionCall& group) {
  const int64_t lanes = group.head_dim / kVector;
  const auto is_aligned = [&](const void* data, int64_t stride) {
    return common_alignment(data, stride, group.dtype) == 16;
  };
  return group.k_rows <= kMostKeys && group.head_dim % kVector == 0 && lanes <= 32 && (lanes & (lanes - 1)) == 0 &&
         is_aligned(group.q, group.q_stride) && is_aligned(group.k, group.k_stride) &&
         is_aligned(group.v, group.v_stride) && is_aligned(group.out, group.out_stride);
}

void few_keys_attention(Context& context, const AttentionCall& group, int64_t groups) {
  const size_t bytes = size_of(group.dtype);
  Arguments a;
  a.q_stride = group.q_stride, a.k_stride = group.k_stride, a.v_stride = group.v_stride,
  a.out_stride = group.out_stride;
  a.rows = group.q_rows;
  a.width = static_cast<int>(group.heads * group.head_dim);
  a.head_lanes = static_cast<int>(group.head_dim / kVector);
  a.scale = group.scale;
  const auto behind = [&](const void* data, int64_t rows, int64_t stride) {
    return static_cast<const std::byte*>(data) + static_cast<size_t>(rows * stride) * bytes;
  };
  for (int64_t done = 0; done < groups; done += kMostGroups) {
    a.q = behind(group.q, done * group.q_rows, group.q_stride);
    a.k = behind(group.k, done * group.k_rows, group.k_stride);
    a.v = behind(group.v, done * group.k_rows, group.v_stride);
    a.out = const_cast<std::byte*>(behind(group.out, done * group.q_rows, group.out_stride));
    const int64_t count = std::min(kMostGroups, groups - done);
    if (group.dtype == DType::kF32)
      launch_for<float>(context, a, group.k_rows, count);
    else
      launch_for<__nv_bfloat16>(context, a, group.k_rows, count);
  }
}

}  // namespace wan::cuda
