// Low-rank terms as kernels take them, and where their values lie in the fragments of tensor cores.
// A warp makes 16 rows x 32 columns with mma.m16n8k16 (PTX ISA, "Matrix Fragments for mma.m16n8k16 with floating point
// type"): lane 4 g + t holds of up rows g and g + 8, of down column g of each eight, of the sums columns 2 t and 2 t +
// 1 of each eight. Which column of the matrix is which of the four eights, and which of the inner axis is which of a
// step's 16, is ours to say. It is said so that a lane's sums are eight neighbours, 8 t .. 8 t + 7, as the decoder
// gives them, and that eight neighbours of a row of up belong to one lane. Fragments lie in shared memory as lanes read
// them, 16 bytes each. Plain C++ but for __byte_perm: a test compiles it for the host.
#pragma once

#include <cuda_fp16.h>

#include <cstdint>

#include "backend/cuda/packed_decode.cuh"

namespace wan::cuda {

inline constexpr int kMostTerms = 64;

struct FactorPair {
  const uint16_t* up = nullptr;
  const uint16_t* down = nullptr;
  float factor = 0;
  int32_t rank = 0;
  bool is_f16 = false;                            // else BF16
  bool up_aligned = false, down_aligned = false;  // whether eight neighbours may be read at once
};

struct Terms {
  int32_t count = 0;
  FactorPair pairs[kMostTerms];
};
static_assert(sizeof(Terms) < 3584, "a kernel's parameters are 4096 bytes");

inline constexpr int kSliceRank = 32;  // of the inner axis: two steps of 16
inline constexpr int kSliceSteps = 2;
inline constexpr int kGroupRows = 16;    // rows of a product
inline constexpr int kWarpColumns = 32;  // four products side by side
inline constexpr int kStripWarps = 8;
inline constexpr int kStripColumns = kStripWarps * kWarpColumns;
inline constexpr int kGroups = 2;  // of rows that a warp makes at once
inline constexpr int kStepRows = kGroups * kGroupRows;
inline constexpr int kLanes = 32;

/// 16 bytes each.
inline constexpr int kUpFragments = kGroups * kSliceSteps * kLanes;            // of a slice for the rows of a step
inline constexpr int kDownFragments = kStripWarps * kSliceSteps * 2 * kLanes;  // of a slice for a strip
inline constexpr int kUpUnits = kStepRows * kSliceRank / kOctet;               // pieces that a thread fetches
inline constexpr int kDownUnits = kSliceRank / 4 * kStripColumns / kOctet;

/// Registers of one lane for 16 x 16 of up.
__device__ inline int up_fragment(int group, int step, int lane) {
  return (group * kSliceSteps + step) * kLanes + lane;
}
/// Registers of one lane for products 2 pair and 2 pair + 1 of a warp.
__device__ inline int down_fragment(int warp, int step, int pair, int lane) {
  return ((warp * kSliceSteps + step) * 2 + pair) * kLanes + lane;
}

/// Eight neighbours from `from`, of which `count` are there; zeros for the others.
__device__ inline uint4 load_octet(const uint16_t* from, int64_t count, bool aligned) {
  if (aligned && count >= kOctet) return *reinterpret_cast<const uint4*>(from);
  uint32_t words[4] = {};
#pragma unroll
  for (int i = 0; i < kOctet; ++i)
    if (i < count) words[i / 2] |= uint32_t{from[i]} << i % 2 * 16;
  return {words[0], words[1], words[2], words[3]};
}

/// Piece `unit` of kUpUnits of the slice from `rank` on, for rows from `first_row` on.
__device__ inline void stage_up(const FactorPair& pair, int rank, int64_t first_row, int64_t rows, int unit,
                                uint4* fragments) {
  const int row = unit / 4, t = unit % 4, inner = rank + kOctet * t;
  const int64_t there = first_row + row < rows ? pair.rank - inner : 0;
  const uint4 octet = load_octet(pair.up + (first_row + row) * pair.rank + inner, there, pair.up_aligned);
  const uint32_t words[] = {octet.x, octet.y, octet.z, octet.w};
  const int lane = row % 8 * 4 + t, is_lower = row % kGroupRows / 8;
#pragma unroll
  for (int i = 0; i < 4; ++i)  // of each step first the pairs 2 t, then 2 t + 8; of each those of both halves of rows
    reinterpret_cast<uint32_t*>(fragments + up_fragment(row / kGroupRows, i / 2, lane))[i % 2 * 2 + is_lower] =
        words[i];
}

/// Piece `unit` of kDownUnits of the slice from `rank` on, for columns from `first_column` on: four rows of down, eight
/// columns.
__device__ inline void stage_down(const FactorPair& pair, int rank, uint32_t first_column, uint32_t columns, int unit,
                                  uint4* fragments) {
  const int quad = unit % 8, octet = unit / 8, t = quad / 2, step = quad % 2;
  const uint32_t column = first_column + static_cast<uint32_t>(octet) * kOctet;
  uint32_t rows[4][4];
#pragma unroll
  for (int i = 0; i < 4; ++i) {
    const int inner = rank + 4 * quad + i;
    const int64_t there = inner < pair.rank ? int64_t{columns} - column : 0;
    const uint4 line = load_octet(pair.down + int64_t{inner} * columns + column, there, pair.down_aligned);
    rows[i][0] = line.x, rows[i][1] = line.y, rows[i][2] = line.z, rows[i][3] = line.w;
  }
#pragma unroll
  for (int odd = 0; odd < 2; ++odd) {  // columns of the octet: two to an eight of the product
    const int lane = (octet % 4 * 2 + odd) * 4 + t;
    const unsigned which = odd == 0 ? 0x5410u : 0x7632u;
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      const int j = 2 * half;
      fragments[down_fragment(octet / 4, step, half, lane)] = {
          __byte_perm(rows[0][j], rows[1][j], which), __byte_perm(rows[2][j], rows[3][j], which),
          __byte_perm(rows[0][j + 1], rows[1][j + 1], which), __byte_perm(rows[2][j + 1], rows[3][j + 1], which)};
    }
  }
}

/// values = factor * (sums of rows g + 8 lower) + values, for the lane's octet; sums are [product][register].
__device__ inline void add_sums(const float (&sums)[4][4], int lower, float factor, float (&values)[kOctet]) {
#pragma unroll
  for (int i = 0; i < kOctet; ++i) values[i] += factor * sums[i / 2][2 * lower + i % 2];
}

}  // namespace wan::cuda
