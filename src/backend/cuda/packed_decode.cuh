// Packed matrices as kernels take them: values of any form times their scales, the bits of tensor/packed.cpp.
#pragma once

#include <bit>
#include <cstdint>

#include "backend/cuda/packed_blocks.cuh"
#include "backend/cuda/packed_elements.cuh"
#include "base/error.h"
#include "tensor/packed.h"

namespace wan::cuda {

/// A packed matrix as kernels take it.
struct PackedSource {
  const uint8_t* values = nullptr;
  const uint8_t* scales = nullptr;
  int64_t rows = 0, row_bytes = 0, tile_row = 0;
  uint32_t columns = 0;
  float factor = 1;
  PackedScale scale = PackedScale::kNone;
  bool in_pairs = false;  // E2M1

  explicit PackedSource(const PackedMatrix& matrix)
      : values(static_cast<const uint8_t*>(matrix.values.data)),
        scales(static_cast<const uint8_t*>(matrix.scales.data)),
        rows(matrix.rows),
        row_bytes(static_cast<int64_t>(matrix.form.row_bytes(matrix.columns))),
        tile_row(matrix.tile_row),
        columns(static_cast<uint32_t>(matrix.columns)),
        factor(matrix.factor),
        scale(matrix.form.scale),
        in_pairs(matrix.form.block == BlockType::kNone && matrix.form.dtype == DType::kU8) {}

  __device__ const uint8_t* row(int64_t index) const { return values + index * row_bytes; }
  /// What a value, and its octet, is multiplied by; 1 without scales.
  __device__ float scale_at(int64_t row, uint32_t column) const {
    switch (scale) {
      case PackedScale::kNone: return 1;
      case PackedScale::kMatrix: return factor;
      case PackedScale::kRow: return reinterpret_cast<const float*>(scales)[row];
      case PackedScale::kTile: {
        const int64_t across = (int64_t{columns} + kPackedTile - 1) / kPackedTile;
        return reinterpret_cast<const float*>(
            scales)[(tile_row + row) / kPackedTile * across + column / static_cast<uint32_t>(kPackedTile)];
      }
      case PackedScale::kGroup: {
        const int shift = in_pairs ? std::countr_zero(uint64_t{kNvfp4Group}) : std::countr_zero(uint64_t{kMxfp8Group});
        const uint8_t byte = scales[row * (columns >> shift) + (column >> shift)];
        return in_pairs ? factor * e4m3_of(byte) : e8m0_of(byte);
      }
    }
    return 1;
  }
};

/// The values that were fetched from (row, column) on, whose scale is `scale`.
template <typename Form>
__device__ inline void decode(const PackedSource& from, const typename Form::Raw& raw, uint32_t column, float scale,
                              float (&values)[kOctet]) {
  Form::decode(raw, column, values);
  if (from.scale != PackedScale::kNone) multiply(values, scale);
}

/// One value of any column.
template <typename Form>
__device__ inline float value_at(const PackedSource& from, int64_t row, uint32_t column) {
  float value = 0;
  if constexpr (requires { Form::one(nullptr, 0u); }) {
    value = Form::one(from.row(row), column);
  } else {
    const uint32_t first = column / kOctet * kOctet;
    float values[kOctet];
    Form::decode(Form::fetch(from.row(row), first), first, values);
#pragma unroll
    for (uint32_t i = 0; i < kOctet; ++i) value = first + i == column ? values[i] : value;
  }
  return from.scale == PackedScale::kNone ? value : value * from.scale_at(row, column);
}

/// Calls `body` with the form's class.
template <typename Body>
void with_form(const PackedForm& form, Body&& body) {
  switch (form.block) {
    case BlockType::kQ4_0: return body(BlockForm<BlockType::kQ4_0>{});
    case BlockType::kQ4_1: return body(BlockForm<BlockType::kQ4_1>{});
    case BlockType::kQ5_0: return body(BlockForm<BlockType::kQ5_0>{});
    case BlockType::kQ5_1: return body(BlockForm<BlockType::kQ5_1>{});
    case BlockType::kQ8_0: return body(BlockForm<BlockType::kQ8_0>{});
    case BlockType::kQ2K: return body(BlockForm<BlockType::kQ2K>{});
    case BlockType::kQ3K: return body(BlockForm<BlockType::kQ3K>{});
    case BlockType::kQ4K: return body(BlockForm<BlockType::kQ4K>{});
    case BlockType::kQ5K: return body(BlockForm<BlockType::kQ5K>{});
    case BlockType::kQ6K: return body(BlockForm<BlockType::kQ6K>{});
    case BlockType::kIQ4NL: return body(BlockForm<BlockType::kIQ4NL>{});
    case BlockType::kIQ4XS: return body(BlockForm<BlockType::kIQ4XS>{});
    case BlockType::kNone: break;
  }
  switch (form.dtype) {
    case DType::kF32: return body(ElementForm<DType::kF32>{});
    case DType::kF16: return body(ElementForm<DType::kF16>{});
    case DType::kBF16: return body(ElementForm<DType::kBF16>{});
    case DType::kF8E4M3: return body(ElementForm<DType::kF8E4M3>{});
    case DType::kF8E5M2: return body(ElementForm<DType::kF8E5M2>{});
    case DType::kI8: return body(ElementForm<DType::kI8>{});
    case DType::kU8: return body(ElementForm<DType::kU8>{});
    default: throw Error("matrices stored as " + form.text() + " are not expanded");
  }
}

}  // namespace wan::cuda
