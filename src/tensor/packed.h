// A matrix in the form in which a file stores it: fewer bits a value than anything that multiplies, and scales beside
// them. It is kept and moved so, and expanded where it is used (Backend::expand).
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>

#include "tensor/blocks.h"
#include "tensor/tensor.h"

namespace wan {

/// What values are multiplied by, beside what a block holds itself.
enum class PackedScale : uint8_t {
  kNone,
  kMatrix,  // one factor
  kRow,     // F32 [rows]
  kTile,    // F32 [tiles of 128 rows, tiles of 128 columns]
  kGroup,   // of E4M3: an E8M0 for 32 values of a row; of pairs of E2M1: an E4M3, times the factor, for 16
};

inline constexpr int64_t kPackedTile = 128;
inline constexpr int64_t kMxfp8Group = 32;
inline constexpr int64_t kNvfp4Group = 16;
inline constexpr int64_t kNvfp4InByte = 2;

/// What the 16 codes of E2M1 mean.
inline constexpr std::array<float, 16> kE2M1Values{0,     0.5f,  1,  1.5f,  2,  3,  4,  6,  //
                                                   -0.0f, -0.5f, -1, -1.5f, -2, -3, -4, -6};

/// How values are stored. Rows follow each other without gaps.
struct PackedForm {
  /// Where `block` is kNone: F32, F16, BF16, F8_E4M3, F8_E5M2, I8, or U8 for two E2M1 in a byte, the first in the high
  /// half.
  DType dtype = DType::kF32;
  BlockType block = BlockType::kNone;
  PackedScale scale = PackedScale::kNone;

  /// Whether rows of so many values can be stored so: whole blocks and groups.
  bool fits(int64_t columns) const;
  size_t row_bytes(int64_t columns) const;
  /// Of scales for `rows` rows of which the first is `tile_row` rows within its tile.
  size_t scale_bytes(int64_t rows, int64_t columns, int64_t tile_row = 0) const;
  /// "Q4_K", "F8_E4M3 with a scale a row": for messages.
  std::string text() const;
  bool operator==(const PackedForm&) const = default;
};

/// A matrix of such values in memory. Its scales, where it has some, are F32 or bytes as PackedScale says, row-major.
struct PackedMatrix {
  PackedForm form;
  int64_t rows = 0, columns = 0;
  TensorView values;     // U8 [rows * row_bytes]; at an address that is a multiple of 16
  TensorView scales;     // U8 [scale_bytes], likewise; empty where there are none
  float factor = 1;      // of kMatrix, and of E2M1: of all scales
  int64_t tile_row = 0;  // of kTile: rows of the first tile that are not here
};

/// Writes the values of rows [begin, end), in F32, of a matrix in host memory. What each value means, and the order of
/// its products, is what the programs give that write such files: `d * q`, `(whole * scale) * q`, each rounded.
void decode_packed(const PackedMatrix& matrix, int64_t begin, int64_t end, float* out);

}  // namespace wan
