// The way into the small types: rounding to float16 and E4M3, and ggml's blocks of values. What is written here is read
// by tensor/dtype.h and tensor/blocks.h.
#pragma once

#include <cstddef>
#include <cstdint>

#include "tensor/blocks.h"
#include "tensor/dtype.h"

namespace wan {

/// Round to nearest even, subnormals included; infinity beyond 65504 and its half step. NaN stays NaN.
F16 to_f16(float value);

/// The byte of E4M3 nearest to `value`, the even one of two; what is beyond 448 becomes 448. `value` is no NaN.
uint8_t to_e4m3(float value);

/// Whether `encode_blocks` writes the type: Q8_0, Q4_K and Q6_K.
bool can_encode(BlockType type);

/// Packs `count` whole blocks of values, which are finite and at most 65504 in magnitude. A scale is rounded up, to
/// float16 and then to the integer of a sub-block, so that no value is cut off: each is within half a step of what
/// decode_blocks gives, where a step is d (Q8_0) or d times the sub-block's factor. Values that are such steps from
/// zero (of Q4_K from the sub-block's least) keep their value. Throws Error for a type that is not written.
void encode_blocks(BlockType type, const float* values, int64_t count, std::byte* blocks);

}  // namespace wan
