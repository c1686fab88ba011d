// Rows of a weight as its file has them, for those that expand them elsewhere: tensor/packed.h. Private to model/.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>

#include "io/tensor_file.h"
#include "model/weight_scheme.h"
#include "tensor/packed.h"

namespace wan {

/// The form of a matrix's rows; nothing for tensors of other ranks and for what only `decode` reads: strides, groups
/// that end within a row, and other element types.
std::optional<PackedForm> packed_form(const StoredWeight& weight);

/// What PackedMatrix::factor is to be.
float packed_factor(const TensorFile& file, const StoredWeight& weight);

/// Writes the bytes of rows [begin, end). False where a value is no finite number, or one that BF16 does not hold:
/// `decode` tells. Thread-safe.
bool pack_rows(const TensorFile& file, const StoredWeight& weight, const PackedForm& form, int64_t begin, int64_t end,
               std::byte* out);
/// Their scales: `scale_bytes` of the form, for a first row of begin % kPackedTile. False where a value may become too
/// large with its scale.
bool pack_scales(const TensorFile& file, const StoredWeight& weight, const PackedForm& form, int64_t begin, int64_t end,
                 std::byte* out);

}  // namespace wan
