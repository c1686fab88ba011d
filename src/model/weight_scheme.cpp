// Decoding. The orders of operations are those of the programs that wrote the files, so that values agree bit for bit.
#include "model/weight_scheme.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "base/error.h"
#include "model/swizzle.h"
#include "model/weights.h"

namespace wan {
namespace {

constexpr int64_t kTile = kPackedTile;

/// Elements [begin, end) of a contiguous tensor of one byte each, by table.
void decode_bytes(const std::byte* from, int64_t count, const std::array<float, 256>& values, float* out) {
  for (int64_t i = 0; i < count; ++i) out[i] = values[std::to_integer<size_t>(from[i])];
}

void decode_int8(const std::byte* from, int64_t count, float* out) {
  for (int64_t i = 0; i < count; ++i) out[i] = static_cast<float>(std::to_integer<int8_t>(from[i]));
}

/// `count` elements of a plain type from `from`, at any address.
void decode_plain(const std::byte* from, DType dtype, int64_t count, float* out) {
  switch (dtype) {
    case DType::kF8E4M3:
    case DType::kF8E5M2:
    case DType::kF8E8M0: return decode_bytes(from, count, values_of_bytes(dtype), out);
    case DType::kI8: return decode_int8(from, count, out);
    default: break;
  }
  const auto size = static_cast<int64_t>(size_of(dtype));
  if (reinterpret_cast<uintptr_t>(from) % static_cast<uintptr_t>(size) == 0)
    return convert_elements(from, dtype, count, DType::kF32, out);
  constexpr int64_t kBatch = 512;
  alignas(8) std::byte aligned[kBatch * 8];
  for (int64_t first = 0; first < count; first += kBatch) {
    const int64_t n = std::min(kBatch, count - first);
    std::memcpy(aligned, from + first * size, static_cast<size_t>(n * size));
    convert_elements(aligned, dtype, n, DType::kF32, out + first);
  }
}

/// Values [begin, end) of blocks; a block of which a part is asked for is decoded beside.
void decode_block_range(const std::byte* blocks, BlockType type, int64_t begin, int64_t end, float* out) {
  const BlockTraits& traits = traits_of(type);
  const auto block_at = [&](int64_t index) { return blocks + index * static_cast<int64_t>(traits.bytes); };
  while (begin < end) {
    const int64_t block = begin / traits.values, inside = begin % traits.values;
    const int64_t whole = inside == 0 ? (end - begin) / traits.values : 0;
    int64_t count = whole * traits.values;
    if (whole > 0) {
      decode_blocks(type, block_at(block), whole, out);
    } else {
      std::array<float, kMostBlockValues> values;
      decode_blocks(type, block_at(block), 1, values.data());
      count = std::min(end - begin, traits.values - inside);
      std::copy_n(values.data() + inside, count, out);
    }
    begin += count;
    out += count;
  }
}

/// Elements [begin, end) in row-major order of a tensor with strides; only unusual .pth files need it.
void decode_strided(const TensorFile& file, const StoredTensor& tensor, int64_t begin, int64_t end, float* out) {
  const std::byte* data = file.files()[static_cast<size_t>(tensor.file)].bytes().data() + tensor.offset;
  for (int64_t i = begin; i < end; ++i) {
    int64_t rest = i, element = 0;
    for (int axis = tensor.shape.rank() - 1; axis >= 0; --axis) {
      element += rest % tensor.shape[axis] * tensor.strides[static_cast<size_t>(axis)];
      rest /= tensor.shape[axis];
    }
    decode_plain(data + element * static_cast<int64_t>(size_of(tensor.dtype)), tensor.dtype, 1, out + (i - begin));
  }
}

void decode_values(const TensorFile& file, const StoredTensor& tensor, int64_t begin, int64_t end, float* out) {
  if (!tensor.contiguous) return decode_strided(file, tensor, begin, end, out);
  const std::byte* data = file.bytes_of(tensor).data();
  if (tensor.block != BlockType::kNone) return decode_block_range(data, tensor.block, begin, end, out);
  decode_plain(data + begin * static_cast<int64_t>(size_of(tensor.dtype)), tensor.dtype, end - begin, out);
}

float scale_at(const TensorFile& file, const StoredTensor& scale, int64_t index) {
  float value = 0;
  decode_values(file, scale, index, index + 1, &value);
  return value;
}

/// Calls `piece(row, first column, column behind the last, out)` for the parts of rows in [begin, end).
template <typename Piece>
void by_rows(const Shape& shape, int64_t begin, int64_t end, float* out, Piece piece) {
  const int64_t columns = shape[-1];
  while (begin < end) {
    const int64_t row = begin / columns, first = begin % columns;
    const int64_t last = std::min(columns, first + end - begin);
    piece(row, first, last, out);
    out += last - first;
    begin += last - first;
  }
}

/// Cuts [first, last) at multiples of `step`: `part(index of the step, begin, end)`.
template <typename Part>
void by_steps(int64_t first, int64_t last, int64_t step, Part part) {
  for (int64_t begin = first; begin < last;) {
    const int64_t end = std::min(last, (begin / step + 1) * step);
    part(begin / step, begin, end);
    begin = end;
  }
}

void multiply(float* values, int64_t count, float factor) {
  for (int64_t i = 0; i < count; ++i) values[i] *= factor;
}

void decode_row_scaled(const TensorFile& file, const StoredWeight& weight, int64_t begin, int64_t end, float* out) {
  decode_values(file, *weight.values, begin, end, out);
  by_rows(weight.values->shape, begin, end, out, [&](int64_t row, int64_t first, int64_t last, float* to) {
    multiply(to, last - first, scale_at(file, *weight.scale, row));
  });
}

void decode_tile_scaled(const TensorFile& file, const StoredWeight& weight, int64_t begin, int64_t end, float* out) {
  decode_values(file, *weight.values, begin, end, out);
  const int64_t tiles = weight.scale->shape[-1];
  by_rows(weight.values->shape, begin, end, out, [&](int64_t row, int64_t first, int64_t last, float* to) {
    by_steps(first, last, kTile, [&](int64_t tile, int64_t from, int64_t until) {
      multiply(to + (from - first), until - from, scale_at(file, *weight.scale, row / kTile * tiles + tile));
    });
  });
}

/// The scale of a group, by its byte.
float group_scale(const TensorFile& file, const StoredWeight& weight, DType meaning, int64_t row, int64_t group) {
  const int64_t at = swizzled_index(row, group, weight.scale->shape[-1]);
  return values_of_bytes(meaning)[std::to_integer<size_t>(file.bytes_of(*weight.scale)[static_cast<size_t>(at)])];
}

void decode_mxfp8(const TensorFile& file, const StoredWeight& weight, int64_t begin, int64_t end, float* out) {
  const int64_t stored_columns = weight.values->shape[-1];
  by_rows(weight.shape, begin, end, out, [&](int64_t row, int64_t first, int64_t last, float* to) {
    decode_values(file, *weight.values, row * stored_columns + first, row * stored_columns + last, to);
    by_steps(first, last, kMxfp8Group, [&](int64_t group, int64_t from, int64_t until) {
      multiply(to + (from - first), until - from, group_scale(file, weight, DType::kF8E8M0, row, group));
    });
  });
}

void decode_nvfp4(const TensorFile& file, const StoredWeight& weight, int64_t begin, int64_t end, float* out) {
  const std::byte* packed = file.bytes_of(*weight.values).data();
  const int64_t bytes_a_row = weight.values->shape[-1];
  const float whole = scale_at(file, *weight.whole_scale, 0);
  by_rows(weight.shape, begin, end, out, [&](int64_t row, int64_t first, int64_t last, float* to) {
    by_steps(first, last, kNvfp4Group, [&](int64_t group, int64_t from, int64_t until) {
      const float scale = whole * group_scale(file, weight, DType::kF8E4M3, row, group);
      for (int64_t column = from; column < until; ++column) {
        const auto pair = std::to_integer<unsigned>(packed[row * bytes_a_row + column / kNvfp4InByte]);
        to[column - first] = kE2M1Values[column % kNvfp4InByte == 0 ? pair >> 4 : pair & 15] * scale;
      }
    });
  });
}

}  // namespace

std::string_view name_of(WeightScheme scheme) {
  switch (scheme) {
    case WeightScheme::kPlain: return "plain";
    case WeightScheme::kTensorScale: return "one scale a tensor";
    case WeightScheme::kRowScale: return "one scale a row";
    case WeightScheme::kTileScale: return "one scale for 128 x 128 values";
    case WeightScheme::kMxfp8: return "mxfp8";
    case WeightScheme::kNvfp4: return "nvfp4";
  }
  return "?";
}

void decode(const TensorFile& file, const StoredWeight& weight, int64_t begin, int64_t end, float* out) {
  switch (weight.scheme) {
    case WeightScheme::kPlain: return decode_values(file, *weight.values, begin, end, out);
    case WeightScheme::kTensorScale:
      decode_values(file, *weight.values, begin, end, out);
      return multiply(out, end - begin, scale_at(file, *weight.scale, 0));
    case WeightScheme::kRowScale: return decode_row_scaled(file, weight, begin, end, out);
    case WeightScheme::kTileScale: return decode_tile_scaled(file, weight, begin, end, out);
    case WeightScheme::kMxfp8: return decode_mxfp8(file, weight, begin, end, out);
    case WeightScheme::kNvfp4: return decode_nvfp4(file, weight, begin, end, out);
  }
}

}  // namespace wan
