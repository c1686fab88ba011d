// Element types, their sizes, and bfloat16 / float16 conversion on the host.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace wan {

enum class DType : uint8_t { kF32, kF16, kBF16, kF64, kF8E4M3, kU8, kI8, kI16, kI32, kI64, kBool };

/// Bytes of one element.
size_t size_of(DType dtype);

/// The safetensors spelling: F32, F16, BF16, ...
std::string_view name_of(DType dtype);

/// A bfloat16 value as its 16 bits.
struct BF16 {
  uint16_t bits = 0;
};

inline float to_float(BF16 value) { return std::bit_cast<float>(uint32_t{value.bits} << 16); }

/// Round to nearest even; NaN stays NaN.
inline BF16 to_bf16(float value) {
  const uint32_t bits = std::bit_cast<uint32_t>(value);
  if ((bits & 0x7fffffffu) > 0x7f800000u) return {static_cast<uint16_t>((bits >> 16) | 0x40u)};
  return {static_cast<uint16_t>((bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16)};
}

/// The float nearest to `value` that bfloat16 can hold.
inline float round_to_bf16(float value) { return to_float(to_bf16(value)); }

/// IEEE binary16 bits to float.
float half_to_float(uint16_t bits);

}  // namespace wan
