#include "model/weight_packing.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <vector>

#include "model/swizzle.h"

namespace wan {
namespace {

/// Values beyond this become infinity in BF16.
constexpr float kMost = 3.38e38f;

PackedScale packed_scale(WeightScheme scheme) {
  switch (scheme) {
    case WeightScheme::kPlain: return PackedScale::kNone;
    case WeightScheme::kTensorScale: return PackedScale::kMatrix;
    case WeightScheme::kRowScale: return PackedScale::kRow;
    case WeightScheme::kTileScale: return PackedScale::kTile;
    case WeightScheme::kMxfp8:
    case WeightScheme::kNvfp4: return PackedScale::kGroup;
  }
  return PackedScale::kNone;
}

bool is_packable(DType dtype) {
  switch (dtype) {
    case DType::kF32:
    case DType::kF16:
    case DType::kBF16:
    case DType::kF8E4M3:
    case DType::kF8E5M2:
    case DType::kI8: return true;
    default: return false;
  }
}

/// The largest magnitude of an element that has a scale.
float most_of(DType dtype) {
  if (dtype == DType::kF8E5M2) return 57344;
  return dtype == DType::kF8E4M3 ? 448 : 128;
}

/// Whether no element has the exponent that means infinity or NaN. `exponent` in the element's own bits; of E4M3 the
/// mantissa belongs to it, as only its last value is no number.
template <typename T>
bool are_finite(const std::byte* from, size_t count, T exponent) {
  T found = 0;
  for (size_t i = 0; i < count; ++i) {
    T bits;
    std::memcpy(&bits, from + i * sizeof(T), sizeof(T));
    found = static_cast<T>(found | static_cast<T>((bits & exponent) == exponent));
  }
  return found == 0;
}

bool blocks_are_finite(BlockType type, const std::byte* from, size_t bytes) {
  const BlockTraits& traits = traits_of(type);
  constexpr uint16_t kExponent = 0x7c00;
  bool is_finite = true;
  for (size_t block = 0; block < bytes; block += traits.bytes)
    is_finite &= are_finite<uint16_t>(from + block + traits.half_at, static_cast<size_t>(traits.halves), kExponent);
  return is_finite;
}

bool values_are_finite(const PackedForm& form, const std::byte* from, size_t bytes) {
  if (form.block != BlockType::kNone) return blocks_are_finite(form.block, from, bytes);
  switch (form.dtype) {
    case DType::kF32: return are_finite<uint32_t>(from, bytes / sizeof(uint32_t), 0x7f800000);
    case DType::kF16: return are_finite<uint16_t>(from, bytes / sizeof(uint16_t), 0x7c00);
    case DType::kBF16: return are_finite<uint16_t>(from, bytes / sizeof(uint16_t), 0x7f80);
    case DType::kF8E4M3: return are_finite<uint8_t>(from, bytes, 0x7f);
    case DType::kF8E5M2: return are_finite<uint8_t>(from, bytes, 0x7c);
    default: return true;
  }
}

/// Copies rows whose file may have more bytes a row.
void copy_rows(const TensorFile& file, const StoredTensor& tensor, const PackedForm& form, int64_t columns,
               int64_t begin, int64_t end, std::byte* out) {
  const size_t bytes = form.row_bytes(columns);
  // The last axis of a tensor of blocks is told in values, of which a row has as many as the weight.
  const size_t stored =
      form.block != BlockType::kNone ? bytes : static_cast<size_t>(tensor.shape[-1]) * size_of(tensor.dtype);
  const std::byte* const data = file.bytes_of(tensor).data();
  if (stored == bytes) {
    std::memcpy(out, data + static_cast<size_t>(begin) * bytes, static_cast<size_t>(end - begin) * bytes);
    return;
  }
  for (int64_t row = begin; row < end; ++row, out += bytes)
    std::memcpy(out, data + static_cast<size_t>(row) * stored, bytes);
}

/// F32 scales [begin, end); whether products with values of `dtype` are finite.
bool copy_scales(const TensorFile& file, const StoredTensor& scale, int64_t begin, int64_t end, DType dtype,
                 std::byte* out) {
  std::vector<float> scales(static_cast<size_t>(end - begin));
  decode(file, {{}, scale.shape, WeightScheme::kPlain, &scale}, begin, end, scales.data());
  std::memcpy(out, scales.data(), scales.size() * sizeof(float));
  return std::ranges::all_of(scales, [&](float value) { return std::abs(value) * most_of(dtype) <= kMost; });
}

/// One byte for each group, out of their order in the file.
bool copy_group_scales(const TensorFile& file, const StoredWeight& weight, const PackedForm& form, int64_t begin,
                       int64_t end, std::byte* out) {
  const bool is_fp4 = form.dtype == DType::kU8;
  const int64_t groups = weight.shape[1] / (is_fp4 ? kNvfp4Group : kMxfp8Group);
  const int64_t padded = weight.scale->shape[-1];
  const std::byte* const from = file.bytes_of(*weight.scale).data();
  const auto& meaning = values_of_bytes(is_fp4 ? DType::kF8E4M3 : DType::kF8E8M0);
  const float most = is_fp4 ? 6 * std::abs(packed_factor(file, weight)) : most_of(DType::kF8E4M3);
  bool is_finite = true;
  for (int64_t row = begin; row < end; ++row)
    for (int64_t group = 0; group < groups; ++group) {
      const std::byte scale = from[swizzled_index(row, group, padded)];
      *out++ = scale;
      is_finite &= std::abs(meaning[std::to_integer<size_t>(scale)]) * most <= kMost;
    }
  return is_finite;
}

}  // namespace

std::optional<PackedForm> packed_form(const StoredWeight& weight) {
  const StoredTensor& values = *weight.values;
  if (weight.shape.rank() != 2 || values.shape.rank() != 2 || !values.contiguous) return std::nullopt;
  PackedForm form{values.dtype, values.block, packed_scale(weight.scheme)};
  if (form.block != BlockType::kNone) form.dtype = DType::kF32;
  const bool is_pairs = weight.scheme == WeightScheme::kNvfp4;
  if (is_pairs) form.dtype = DType::kU8;
  const bool is_known = form.block != BlockType::kNone || is_pairs || is_packable(form.dtype);
  if (!is_known || !form.fits(weight.shape[1])) return std::nullopt;
  return form;
}

float packed_factor(const TensorFile& file, const StoredWeight& weight) {
  const StoredTensor* const scale = weight.scheme == WeightScheme::kNvfp4 ? weight.whole_scale : weight.scale;
  const bool has_one = weight.scheme == WeightScheme::kTensorScale || weight.scheme == WeightScheme::kNvfp4;
  if (!has_one) return 1;
  float value = 1;
  decode(file, {{}, scale->shape, WeightScheme::kPlain, scale}, 0, 1, &value);
  return value;
}

bool pack_rows(const TensorFile& file, const StoredWeight& weight, const PackedForm& form, int64_t begin, int64_t end,
               std::byte* out) {
  const int64_t columns = weight.shape[1];
  copy_rows(file, *weight.values, form, columns, begin, end, out);
  return values_are_finite(form, out, static_cast<size_t>(end - begin) * form.row_bytes(columns));
}

bool pack_scales(const TensorFile& file, const StoredWeight& weight, const PackedForm& form, int64_t begin, int64_t end,
                 std::byte* out) {
  switch (form.scale) {
    case PackedScale::kNone: return true;
    case PackedScale::kMatrix: return std::abs(packed_factor(file, weight)) * most_of(form.dtype) <= kMost;
    case PackedScale::kRow: return copy_scales(file, *weight.scale, begin, end, form.dtype, out);
    case PackedScale::kTile: {
      const int64_t tiles = weight.scale->shape[-1];
      const int64_t first = begin / kPackedTile, last = (end + kPackedTile - 1) / kPackedTile;
      return copy_scales(file, *weight.scale, first * tiles, last * tiles, form.dtype, out);
    }
    case PackedScale::kGroup: return copy_group_scales(file, weight, form, begin, end, out);
  }
  return true;
}

}  // namespace wan
