// What products in 8 bits accept, and the constants of Backend::quantize_rows, for every backend.
#pragma once

#include "backend/backend.h"

namespace wan {

/// So long a sum of products of 8 bits stays below 2^31.
inline constexpr int64_t kInt8MaxLength = (int64_t{1} << 17) - 1;
inline constexpr float kInt8Top = 127;
/// Rows whose largest turned value is below this become zeros: 127 / largest stays finite.
inline constexpr float kInt8Tiny = 0x1p-120f;

/// How many neighbours are turned together in rows of k: the largest power of two up to 128 that divides k.
int hadamard_block(int64_t k);
/// block^-1/2 / 127: scale over largest.
float int8_scale_factor(int block);

/// Each throws Error naming the argument. `where`: of all memory.
void require_quantizable(TensorView x, const Int8Rows& q, Memory where);
void require_linear_int8(const Int8Rows& x, const Int8Rows& weight, TensorView bias, Activation activation,
                         TensorView y, Memory where);

}  // namespace wan
