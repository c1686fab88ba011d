#include "tensor/packed.h"

#include <array>
#include <cstring>

#include "base/error.h"

namespace wan {
namespace {

int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }

int64_t group_of(const PackedForm& form) { return form.dtype == DType::kU8 ? kNvfp4Group : kMxfp8Group; }

template <typename T>
T load(const std::byte* from) {
  T value;
  std::memcpy(&value, from, sizeof(T));
  return value;
}

const std::byte* bytes_of(const TensorView& memory) { return static_cast<const std::byte*>(memory.data); }

template <typename T, typename ToFloat>
void decode_elements(const std::byte* from, int64_t count, float* out, ToFloat to_float_of) {
  for (int64_t i = 0; i < count; ++i) out[i] = to_float_of(load<T>(from + i * static_cast<int64_t>(sizeof(T))));
}

/// Two a byte, the first in the high half.
void decode_pairs(const std::byte* from, int64_t count, float* out) {
  for (int64_t i = 0; i < count; ++i) {
    const auto pair = std::to_integer<unsigned>(from[i / kNvfp4InByte]);
    out[i] = kE2M1Values[i % kNvfp4InByte == 0 ? pair >> 4 : pair & 15];
  }
}

/// The values of a row without its scales.
void decode_row(const PackedForm& form, const std::byte* from, int64_t columns, float* out) {
  if (form.block != BlockType::kNone)
    return decode_blocks(form.block, from, columns / traits_of(form.block).values, out);
  switch (form.dtype) {
    case DType::kF32: std::memcpy(out, from, static_cast<size_t>(columns) * sizeof(float)); return;
    case DType::kF16: return decode_elements<F16>(from, columns, out, [](F16 value) { return to_float(value); });
    case DType::kBF16: return decode_elements<BF16>(from, columns, out, [](BF16 value) { return to_float(value); });
    case DType::kI8:
      return decode_elements<int8_t>(from, columns, out, [](int8_t value) { return static_cast<float>(value); });
    case DType::kU8: return decode_pairs(from, columns, out);
    default: break;
  }
  const std::array<float, 256>& values = values_of_bytes(form.dtype);
  decode_elements<uint8_t>(from, columns, out, [&](uint8_t value) { return values[value]; });
}

void multiply(float* values, int64_t count, float factor) {
  for (int64_t i = 0; i < count; ++i) values[i] *= factor;
}

/// Row `row` of the matrix, times its scales.
void scale_row(const PackedMatrix& matrix, int64_t row, float* out) {
  const int64_t columns = matrix.columns;
  const std::byte* const scales = bytes_of(matrix.scales);
  const auto f32 = [&](int64_t index) { return load<float>(scales + index * static_cast<int64_t>(sizeof(float))); };
  // Calls part(first, count, index of the scale) for each step of a row.
  const auto by_steps = [&](int64_t step, int64_t first_scale, auto part) {
    for (int64_t first = 0; first < columns; first += step)
      part(first, std::min(step, columns - first), first_scale + first / step);
  };
  switch (matrix.form.scale) {
    case PackedScale::kNone: return;
    case PackedScale::kMatrix: return multiply(out, columns, matrix.factor);
    case PackedScale::kRow: return multiply(out, columns, f32(row));
    case PackedScale::kTile: {
      const int64_t tiles = ceil_div(columns, kPackedTile), tile = (matrix.tile_row + row) / kPackedTile;
      return by_steps(kPackedTile, tile * tiles,
                      [&](int64_t first, int64_t count, int64_t index) { multiply(out + first, count, f32(index)); });
    }
    case PackedScale::kGroup: {
      const bool is_fp4 = matrix.form.dtype == DType::kU8;
      const auto& meaning = values_of_bytes(is_fp4 ? DType::kF8E4M3 : DType::kF8E8M0);
      const int64_t group = group_of(matrix.form);
      return by_steps(group, row * (columns / group), [&](int64_t first, int64_t count, int64_t index) {
        const float scale = meaning[std::to_integer<size_t>(scales[index])];
        multiply(out + first, count, is_fp4 ? matrix.factor * scale : scale);
      });
    }
  }
}

}  // namespace

bool PackedForm::fits(int64_t columns) const {
  if (block != BlockType::kNone) return columns % traits_of(block).values == 0;
  if (dtype == DType::kU8 && columns % kNvfp4InByte != 0) return false;
  return scale != PackedScale::kGroup || columns % group_of(*this) == 0;
}

size_t PackedForm::row_bytes(int64_t columns) const {
  if (block != BlockType::kNone) {
    const BlockTraits& traits = traits_of(block);
    return static_cast<size_t>(columns / traits.values) * traits.bytes;
  }
  if (dtype == DType::kU8) return static_cast<size_t>(columns / kNvfp4InByte);
  return static_cast<size_t>(columns) * size_of(dtype);
}

size_t PackedForm::scale_bytes(int64_t rows, int64_t columns, int64_t tile_row) const {
  switch (scale) {
    case PackedScale::kNone:
    case PackedScale::kMatrix: return 0;
    case PackedScale::kRow: return static_cast<size_t>(rows) * sizeof(float);
    case PackedScale::kTile:
      return static_cast<size_t>(ceil_div(tile_row + rows, kPackedTile) * ceil_div(columns, kPackedTile)) *
             sizeof(float);
    case PackedScale::kGroup: return static_cast<size_t>(rows * (columns / group_of(*this)));
  }
  return 0;
}

std::string PackedForm::text() const {
  if (block != BlockType::kNone) return std::string(traits_of(block).name);
  const std::string type(dtype == DType::kU8 ? "E2M1" : name_of(dtype));
  switch (scale) {
    case PackedScale::kNone: return type;
    case PackedScale::kMatrix: return type + " with one scale";
    case PackedScale::kRow: return type + " with a scale a row";
    case PackedScale::kTile: return type + " with a scale for 128 x 128 values";
    case PackedScale::kGroup: return type + " with a scale for " + std::to_string(group_of(*this)) + " values";
  }
  return type;
}

void decode_packed(const PackedMatrix& matrix, int64_t begin, int64_t end, float* out) {
  require_op(begin >= 0 && begin <= end && end <= matrix.rows, "a range beyond a packed matrix");
  const auto row_bytes = static_cast<int64_t>(matrix.form.row_bytes(matrix.columns));
  for (int64_t row = begin; row < end; ++row, out += matrix.columns) {
    decode_row(matrix.form, bytes_of(matrix.values) + row * row_bytes, matrix.columns, out);
    scale_row(matrix, row, out);
  }
}

}  // namespace wan
