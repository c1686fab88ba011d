// Rows in 8 bits: the transform and the rounding that quantize_rows and quantize_attention share.
#pragma once

#include <cstdint>

namespace wan::cpu {

/// The unnormalised Hadamard transform of each `block` neighbours, in place.
void transform(float* values, int64_t count, int block);

/// The bits of the largest magnitude, in whose order NaN comes last.
uint32_t largest_bits(const float* values, int64_t count);

/// Quantises transformed values by their largest magnitude and returns their scale, largest * scale_factor; see
/// Backend::quantize_rows.
float quantize(const float* values, int64_t count, float scale_factor, int8_t* out);

}  // namespace wan::cpu
