// What attention in 8 bits accepts, and the constants and layouts of Backend::quantize_attention, for every backend.
#pragma once

#include "backend/backend.h"

namespace wan {

inline constexpr int64_t kAttention8Dim = 128;       // of a head
inline constexpr int64_t kAttention8ScaleKeys = 64;  // keys that share a scale
inline constexpr int64_t kAttention8ScaleRow = 6;    // scales of a head come in multiples of this
inline constexpr int64_t kAttention8ValueRow = 128;  // keys of transposed values likewise
inline constexpr int64_t kAttention8Run = 256;       // keys whose sum is made first, on the way to a mean
inline constexpr float kE4m3Top = 448;

/// The blocks of keys that have a scale.
inline int64_t attention8_scales(int64_t keys) { return (keys + kAttention8ScaleKeys - 1) / kAttention8ScaleKeys; }
inline int64_t attention8_runs(int64_t keys) { return (keys + kAttention8Run - 1) / kAttention8Run; }

/// Where the value of key `key` lies in a row of transposed values.
inline int64_t attention8_value_place(int64_t key) {
  const int64_t half = key / 16 % 2, group = key / 8 % 2, pair = key / 2 % 4, odd = key % 2;
  return key / 32 * 32 + 16 * half + 4 * pair + 2 * group + odd;
}

/// Each throws Error naming the argument. `where`: of all memory.
void require_quantizable_attention(TensorView q, TensorView k, TensorView v, const Attention8& a, Memory where);
void require_attention8(const Attention8& a, float scale, TensorView y, Memory where);

}  // namespace wan
