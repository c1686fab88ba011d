// The softmax of attention_sm90.cu on scores held in a warpgroup's registers as wgmma leaves them. sm_90a only.
// A thread holds rows lane / 4 and lane / 4 + 8 of its warp's 16, and of each 8 columns two, 2 * (lane % 4) and the
// next: element 4 * i + 2 * r + c of an accumulator is row r, column 8 * i + 2 * (lane % 4) + c.
#pragma once

#include "backend/cuda/attention_sm90_parts.cuh"
#include "backend/cuda/sm90_ptx.cuh"

namespace wan::cuda::sm90 {

// Where the reference follows the maximum, it does so only when left behind by this many powers of two.
constexpr float kSlack = 8.0f;
constexpr float kGrownSum = 0x1p40f;

/// Of the two rows of this thread: the reference, in powers of two, and the sum of this thread's own columns.
struct RowState {
  float reference[2] = {-INFINITY, -INFINITY};
  float sum[2] = {0.0f, 0.0f};
};

/// Moves the reference up to the maximum of s when it lags; `shrink` is what earlier results must be multiplied by.
template <int kCount>
__device__ __forceinline__ void follow_maximum(const float (&s)[kCount], float scale_log2, RowState& state,
                                               float (&shrink)[2]) {
#pragma unroll
  for (int r = 0; r < 2; ++r) {
    float top = fmaxf(s[2 * r], s[2 * r + 1]);
#pragma unroll
    for (int i = 1; i < kCount / 4; ++i) top = fmaxf(top, fmaxf(s[4 * i + 2 * r], s[4 * i + 2 * r + 1]));
    const float wanted = row_maximum(top) * scale_log2;
    const bool moved = wanted - state.reference[r] > kSlack;
    shrink[r] = moved ? exp2_fast(state.reference[r] - wanted) : 1.0f;
    state.reference[r] = moved ? wanted : state.reference[r];
    state.sum[r] *= shrink[r];
  }
}

/// s -> exp2(scale_log2 * s - reference), added to the sums.
template <int kCount>
__device__ __forceinline__ void exponentials(float (&s)[kCount], float scale_log2, RowState& state) {
#pragma unroll
  for (int r = 0; r < 2; ++r) {
    const float reference = state.reference[r];
    float sum = state.sum[r];
#pragma unroll
    for (int i = 0; i < kCount / 4; ++i) {
#pragma unroll
      for (int c = 0; c < 2; ++c) {
        float& x = s[4 * i + 2 * r + c];
        x = exp2_fast(fmaf(x, scale_log2, -reference));
        sum += x;
      }
    }
    state.sum[r] = sum;
  }
}

/// Moves the reference up when a sum has grown far; s is brought to it here, earlier results by `shrink`.
/// An infinite sum becomes NaN and stays so: the sign that the reference was trusted too long.
template <int kCount>
__device__ __forceinline__ void follow_sum(float (&s)[kCount], RowState& state, float (&shrink)[2]) {
  shrink[0] = shrink[1] = 1.0f;
  if (!__any_sync(~0u, state.sum[0] > kGrownSum || state.sum[1] > kGrownSum)) return;
#pragma unroll
  for (int r = 0; r < 2; ++r) {
    const float top = row_maximum(state.sum[r]);
    if (top <= kGrownSum) continue;
    state.reference[r] += __log2f(top);
    shrink[r] = 1.0f / top;
    state.sum[r] *= shrink[r];
  }
#pragma unroll
  for (int i = 0; i < kCount; ++i) s[i] *= shrink[i / 2 % 2];
}

/// p = s rounded to bf16: the accumulator's layout is the one the next product wants of its left operand.
template <int kCount>
__device__ __forceinline__ void pack(const float (&s)[kCount], uint32_t (&p)[kCount / 2]) {
#pragma unroll
  for (int i = 0; i < kCount / 2; ++i) p[i] = pack_bf16(s[2 * i], s[2 * i + 1]);
}

/// o times shrink; nearly always nothing to do.
template <int kCount>
__device__ __forceinline__ void rescale(float (&o)[kCount], const float (&shrink)[2]) {
  if (!__any_sync(~0u, shrink[0] != 1.0f || shrink[1] != 1.0f)) return;
#pragma unroll
  for (int i = 0; i < kCount; ++i) o[i] *= shrink[i / 2 % 2];
}

/// Keys from `valid` on do not exist.
template <int kCount>
__device__ __forceinline__ void mask_tail(float (&s)[kCount], int valid) {
  const int column = 2 * (threadIdx.x % 4);
#pragma unroll
  for (int i = 0; i < kCount; ++i) {
    if (column + i / 4 * 8 + i % 2 >= valid) s[i] = -INFINITY;
  }
}

}  // namespace wan::cuda::sm90
