// The softmax of attention8_sm90.cu on scores held in a warpgroup's registers as wgmma leaves them (which of them a
// thread holds: attention_sm90_softmax.cuh). sm_90a only.
//
// Scores are whole numbers. Their accumulators start at the bits of 1.5 * 2^23, so that read as floats they are that
// number plus the score, exactly: no instruction converts them. The multiplication by the scales takes the constant
// away again, up to three quarters of one score's step, by which all scores of a block of keys move together. Rows
// whose step is so coarse that this matters are computed again without.
#pragma once

#include "backend/cuda/attention_sm90_parts.cuh"
#include "backend/cuda/sm90_ptx.cuh"

namespace wan::cuda::sm90 {

constexpr int kOffsetBits = 0x4b400000;
constexpr float kOffset = 12582912.0f;    // 1.5 * 2^23
constexpr float kCoarseStep = 0x1p-8f;    // in powers of two: three quarters of it are half a rounding to bf16
constexpr int kScaleKeys = 64;            // keys that share a scale
constexpr int kOfScale = kScaleKeys / 2;  // a thread's scores of them

/// Of the two rows of this thread: the reference, a whole number of powers of two, the sum of this thread's own
/// columns, and the scale of the query, in powers of two.
struct Rows8 {
  float reference[2] = {-INFINITY, -INFINITY};
  float sum[2] = {0.0f, 0.0f};
  float scale[2];
};

/// Scores start here; every block finds them so.
template <int kCount>
__device__ __forceinline__ void offset(int (&s)[kCount]) {
#pragma unroll
  for (int i = 0; i < kCount; ++i) s[i] = kOffsetBits;
}

/// s may be used afterwards and not before.
template <int kCount>
__device__ __forceinline__ void settle(int (&s)[kCount]) {
#pragma unroll
  for (int i = 0; i < kCount; ++i) asm volatile("" : "+r"(s[i])::"memory");
}

/// Scores to probabilities; the sums of this thread's own columns of the block go to `own`.
template <int kCount>
__device__ __forceinline__ void exponentials(int (&s)[kCount], const float (&key_scale)[kCount / kOfScale],
                                             const Rows8& rows, float (&own)[2]) {
  own[0] = own[1] = 0.0f;
#pragma unroll
  for (int part = 0; part < kCount / kOfScale; ++part) {
    float step[2], constant[2];
#pragma unroll
    for (int r = 0; r < 2; ++r) {
      step[r] = rows.scale[r] * key_scale[part];
      constant[r] = fmaf(-kOffset, step[r], -rows.reference[r]);
    }
#pragma unroll
    for (int i = 0; i < kOfScale; ++i) {
      const int r = i / 2 % 2;
      int& at = s[part * kOfScale + i];
      const float x = exp2_fast(fmaf(__int_as_float(at), step[r], constant[r]));
      own[r] += x;
      at = __float_as_int(x);
    }
  }
}

/// 2^-n for n up to 126.
__device__ __forceinline__ float power_below(int n) { return __int_as_float((127 - n) << 23); }

/// Adds the block's sums. Where one is above `grown`, the reference first moves up, so far that the largest probability
/// of the row is at most 2^top; s is brought to it here, earlier results by `shrink`. Powers of two change no digit. An
/// infinite sum stays so, or becomes NaN: the sign that the reference was trusted too long.
template <int kCount>
__device__ __forceinline__ void follow_sum(int (&s)[kCount], float grown, int top, Rows8& rows, float (&own)[2],
                                           float (&shrink)[2]) {
  shrink[0] = shrink[1] = 1.0f;
  if (__any_sync(~0u, own[0] > grown || own[1] > grown)) {
#pragma unroll
    for (int r = 0; r < 2; ++r) {
      float largest = 0.0f;
#pragma unroll
      for (int i = 0; i < kCount / 2; ++i) largest = fmaxf(largest, __int_as_float(s[i / 2 * 4 + 2 * r + i % 2]));
      largest = row_maximum(largest);
      const int n = min((__float_as_int(largest) >> 23) - 126 - top, 126);  // 2^(n + top) is above the largest
      if (n <= 0) continue;
      rows.reference[r] += static_cast<float>(n);
      shrink[r] = power_below(n);
      rows.sum[r] *= shrink[r];
      own[r] *= shrink[r];
    }
#pragma unroll
    for (int i = 0; i < kCount; ++i) s[i] = __float_as_int(__int_as_float(s[i]) * shrink[i / 2 % 2]);
  }
  rows.sum[0] += own[0];
  rows.sum[1] += own[1];
}

/// Scores to probabilities with the reference following the maximum, and no score moved; keys from `valid` on do not
/// exist. The largest of the row so far is above 2^(top - 1) and at most 2^top, when its block is done.
template <int kCount>
__device__ __forceinline__ void follow_maximum(int (&s)[kCount], const float (&key_scale)[kCount / kOfScale], int valid,
                                               int top, Rows8& rows, float (&shrink)[2]) {
  const int column = 2 * (threadIdx.x % 4);
  float largest[2] = {-INFINITY, -INFINITY};
#pragma unroll
  for (int i = 0; i < kCount; ++i) {
    const int r = i / 2 % 2;
    float y = (__int_as_float(s[i]) - kOffset) * (rows.scale[r] * key_scale[i / kOfScale]);
    if (column + i / 4 * 8 + i % 2 >= valid) y = -INFINITY;
    largest[r] = fmaxf(largest[r], y);
    s[i] = __float_as_int(y);
  }
#pragma unroll
  for (int r = 0; r < 2; ++r) {
    const float wanted = ceilf(row_maximum(largest[r])) - static_cast<float>(top);
    const bool moved = wanted > rows.reference[r];
    shrink[r] = moved ? exp2_fast(rows.reference[r] - wanted) : 1.0f;
    rows.reference[r] = moved ? wanted : rows.reference[r];
    float sum = rows.sum[r] * shrink[r];
#pragma unroll
    for (int i = 0; i < kCount / 2; ++i) {
      int& at = s[i / 2 * 4 + 2 * r + i % 2];
      const float x = exp2_fast(__int_as_float(at) - rows.reference[r]);
      sum += x;
      at = __float_as_int(x);
    }
    rows.sum[r] = sum;
  }
}

/// o times shrink; nearly always nothing to do.
template <int kCount>
__device__ __forceinline__ void rescale(float (&o)[kCount], const float (&shrink)[2]) {
  if (!__any_sync(~0u, shrink[0] != 1.0f || shrink[1] != 1.0f)) return;
#pragma unroll
  for (int i = 0; i < kCount; ++i) o[i] *= shrink[i / 2 % 2];
}

/// Probabilities rounded to bf16: the accumulator's layout is the one the next product wants of its left operand.
template <int kCount>
__device__ __forceinline__ void pack(const int (&s)[kCount], uint32_t (&p)[kCount / 2]) {
#pragma unroll
  for (int i = 0; i < kCount / 2; ++i) p[i] = pack_bf16(__int_as_float(s[2 * i]), __int_as_float(s[2 * i + 1]));
}

/// To E4M3. Of each 32 keys the left operand wants four neighbours of a lane where the accumulator has two pairs, eight
/// apart: values lie in the order that makes them neighbours (Attention8::v).
template <int kCount>
__device__ __forceinline__ void pack(const int (&s)[kCount], uint32_t (&p)[kCount / 4]) {
#pragma unroll
  for (int i = 0; i < kCount / 4; ++i) {
    const int at = 16 * (i / 4) + i % 4 / 2 * 8 + i % 2 * 2;
    p[i] = pack_e4m3(__int_as_float(s[at]), __int_as_float(s[at + 1]), __int_as_float(s[at + 4]),
                     __int_as_float(s[at + 5]));
  }
}

}  // namespace wan::cuda::sm90
