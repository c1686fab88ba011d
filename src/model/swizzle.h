// The order of group scales in ComfyUI's files, which is the one that cuBLAS's matrix products take. Private to model/.
#pragma once

#include <cstdint>

#include "tensor/packed.h"  // sizes of groups

namespace wan {

/// Rows and columns of scales are padded to multiples of these.
inline constexpr int64_t kSwizzleRows = 128;
inline constexpr int64_t kSwizzleColumns = 4;
/// Of each tile, rows this far apart lie beside each other.
inline constexpr int64_t kSwizzleLanes = 32;

/// Where the scale of (row, column) lies among scales of `padded_columns` columns.
constexpr int64_t swizzled_index(int64_t row, int64_t column, int64_t padded_columns) {
  const int64_t tile = row / kSwizzleRows * (padded_columns / kSwizzleColumns) + column / kSwizzleColumns;
  const int64_t groups = kSwizzleRows / kSwizzleLanes;
  const int64_t lane = row % kSwizzleLanes, group = row % kSwizzleRows / kSwizzleLanes;
  return ((tile * kSwizzleLanes + lane) * groups + group) * kSwizzleColumns + column % kSwizzleColumns;
}

}  // namespace wan
