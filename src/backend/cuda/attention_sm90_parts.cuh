// What the attention kernels for Hopper share, in bf16 and in 8 bits: stages in a ring, turns at the tensor cores,
// marks of tiles that are to be computed again, and the store. A block has some warpgroups that compute, of 64 queries
// each, and one that loads; two blocks of a cluster share keys and values. sm_90a only.
#pragma once

#include <cuda_bf16.h>

#include <cstdint>

#include "backend/cuda/sm90_ptx.cuh"

namespace wan::cuda::sm90 {

constexpr int kHeadDim = 128;
constexpr int kWarpgroup = 128;     // threads
constexpr int kWarpgroupRows = 64;  // queries of one warpgroup, the M of wgmma
constexpr int kCluster = 2;         // blocks that share keys and values
constexpr uint16_t kEveryBlock = (1 << kCluster) - 1;

/// Whether later blocks of keys trust the reference, or take their own maximum.
enum class Pass { kTrusting, kRedo };

/// Position in a ring of stages; the parity flips each time round.
template <int kLength>
struct Ring {
  int stage = 0;
  uint32_t parity = 0;
  __device__ void next() {
    if (++stage == kLength) stage = 0, parity ^= 1;
  }
};

/// Gives a stage back: one arrival of each warp, at every block that writes to it.
__device__ __forceinline__ void release(uint32_t empty) {
  if (threadIdx.x % 32 != 0) return;
  for (uint32_t rank = 0; rank < kCluster; ++rank) barrier_arrive_at(empty, rank);
}

/// Waits for this warpgroup's turn to issue products, and gives the turn to the next: named barriers 1 and up.
template <int kConsumers>
struct Turns {
  uint32_t own, next;
  __device__ explicit Turns(uint32_t consumer) : own(1 + consumer), next(1 + (consumer + 1) % kConsumers) {
    if (consumer == kConsumers - 1) pass();  // the first may begin
  }
  __device__ void wait() const { named_sync<2 * kWarpgroup>(own); }
  __device__ void pass() const { named_arrive<2 * kWarpgroup>(next); }
};

/// Which tiles are to be computed again: for each tile one byte for each warp of its cluster.
template <int kConsumers>
struct Marks {
  static constexpr int kOfTile = kCluster * kConsumers * 4;
  static_assert(kOfTile % 8 == 0);
  uint32_t* any;  // not 0 when there is one
  uint8_t* each;

  __device__ bool has(int tile) const {
    const uint2* marks = reinterpret_cast<const uint2*>(each + static_cast<int64_t>(tile) * kOfTile);
    uint32_t all = 0;
#pragma unroll
    for (int i = 0; i < kOfTile / 8; ++i) all |= marks[i].x | marks[i].y;
    return all != 0;
  }
  /// Of the whole warp: `again` of any lane counts.
  __device__ void set(int tile, uint32_t consumer, bool again) const {
    again = __any_sync(~0u, again);
    if (threadIdx.x % 32 != 0) return;
    const uint32_t warp = (cluster_rank() * kConsumers + consumer) * 4 + threadIdx.x / 32 % 4;
    each[static_cast<int64_t>(tile) * kOfTile + warp] = again;
    if (again) *any = 1;
  }
};

/// The four lanes that share a row, together.
__device__ __forceinline__ float row_maximum(float own) {
  own = fmaxf(own, __shfl_xor_sync(~0u, own, 1));
  return fmaxf(own, __shfl_xor_sync(~0u, own, 2));
}
__device__ __forceinline__ float row_sum(float own) {
  own += __shfl_xor_sync(~0u, own, 1);
  return own + __shfl_xor_sync(~0u, own, 2);
}

/// Where a warp's 16 rows of a head go.
struct Place {
  __nv_bfloat16* out;  // the whole tensor
  int64_t stride;
  int rows;  // that exist
  int head, first_row;
};

/// Writes 16 rows of a warp as wgmma leaves them. The four lanes that share a row trade words so that each writes 16
/// bytes.
__device__ __forceinline__ void store_rows(const float (&o)[kHeadDim / 2], const Place& place) {
  const int lane = threadIdx.x % 32;
#pragma unroll
  for (int r = 0; r < 2; ++r) {
    const int row = place.first_row + lane / 4 + 8 * r;
    __nv_bfloat16* to = place.out + row * place.stride + place.head * kHeadDim + lane % 4 * 8;
#pragma unroll
    for (int group = 0; group < 4; ++group) {  // 32 columns: word j of this lane is columns 8 * j + 2 * (lane % 4)
      uint32_t word[4];
#pragma unroll
      for (int j = 0; j < 4; ++j) {
        const int i = 16 * group + 4 * j + 2 * r;
        word[j] = pack_bf16(o[i], o[i + 1]);
      }
#pragma unroll
      for (int bit = 1; bit <= 2; bit *= 2) {  // transpose of 4 x 4 words over the four lanes
        const bool upper = (lane & bit) != 0;
#pragma unroll
        for (int j = 0; j < 4; ++j) {
          if ((j & bit) != 0) continue;
          const uint32_t got = __shfl_xor_sync(~0u, upper ? word[j] : word[j | bit], bit);
          if (upper) {
            word[j] = got;
          } else {
            word[j | bit] = got;
          }
        }
      }
      if (row < place.rows) *reinterpret_cast<uint4*>(to + 32 * group) = make_uint4(word[0], word[1], word[2], word[3]);
    }
  }
}

}  // namespace wan::cuda::sm90
