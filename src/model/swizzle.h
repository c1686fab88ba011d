// The order of group scales in ComfyUI's files, which is the one that cuBLAS's matrix products take. Private to model/.
#pragma once

#include <cstdint>

namespace wan {

inline constexpr int64_t kMxfp8Group = 32;  // values of a row that share a scale
inline constexpr int64_t kNvfp4Group = 16;

/// Rows and columns of scales are padded to multiples of these.
inline constexpr int64_t kSwizzleRows = 128;
inline constexpr int64_t kSwizzleColumns = 4;

/// Where the scale of (row, column) lies among scales of `padded_columns` columns.
constexpr int64_t swizzled_index(int64_t row, int64_t column, int64_t padded_columns) {
  const int64_t tile = row / kSwizzleRows * (padded_columns / kSwizzleColumns) + column / kSwizzleColumns;
  return tile * (kSwizzleRows * kSwizzleColumns) + row % 32 * 16 + row % kSwizzleRows / 32 * 4 +
         column % kSwizzleColumns;
}

}  // namespace wan
