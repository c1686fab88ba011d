// Element types, their sizes, and the conversion of the small floats on the host.
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace wan {

enum class DType : uint8_t { kF32, kF16, kBF16, kF64, kF8E4M3, kF8E5M2, kF8E8M0, kU8, kI8, kI16, kI32, kI64, kBool };

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

/// A float16 value as its 16 bits.
struct F16 {
  uint16_t bits = 0;
};

/// As half_to_float, without a branch or a call, so that loops vectorise: the exponent is rebased by a multiplication,
/// which also normalises subnormals; infinity and NaN are then put back.
inline float to_float(F16 value) {
  const uint32_t magnitude = uint32_t{value.bits & 0x7fffu} << 13;
  const uint32_t finite = std::bit_cast<uint32_t>(std::bit_cast<float>(magnitude) * 0x1p112f);
  const uint32_t special = magnitude | 0x7f800000u;
  return std::bit_cast<float>((magnitude >= 0x0f800000u ? special : finite) | (uint32_t{value.bits} & 0x8000u) << 16);
}

/// What each byte of an 8-bit float type means. E4M3 has no infinities, and one NaN of each sign; E5M2 is the upper
/// half of a float16; E8M0 is 2^(byte - 127) with 255 for NaN, and 0 for 0 as ComfyUI decodes it. Throws Error for any
/// other type.
const std::array<float, 256>& values_of_bytes(DType dtype);

}  // namespace wan
