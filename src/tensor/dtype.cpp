#include "tensor/dtype.h"

#include <cmath>

#include "base/error.h"

namespace wan {
namespace {

using Bytes = std::array<float, 256>;

/// All bytes of a float of 1 sign bit, `exponent_bits` and the rest, as IEEE has it but for what is no number.
Bytes small_floats(int exponent_bits) {
  const int mantissa_bits = 7 - exponent_bits, bias = (1 << (exponent_bits - 1)) - 1;
  Bytes values{};
  for (int byte = 0; byte < 256; ++byte) {
    const int exponent = (byte & 0x7f) >> mantissa_bits, mantissa = byte & ((1 << mantissa_bits) - 1);
    const int significand = exponent == 0 ? mantissa : mantissa | 1 << mantissa_bits;
    const float magnitude =
        std::ldexp(static_cast<float>(significand), (exponent == 0 ? 1 : exponent) - bias - mantissa_bits);
    values[static_cast<size_t>(byte)] = std::copysign(magnitude, byte < 128 ? 1.0f : -1.0f);
  }
  return values;
}

Bytes e4m3_values() {
  Bytes values = small_floats(4);
  values[0x7f] = values[0xff] = NAN;
  return values;
}

Bytes e5m2_values() {
  Bytes values{};
  for (int byte = 0; byte < 256; ++byte)
    values[static_cast<size_t>(byte)] = half_to_float(static_cast<uint16_t>(byte << 8));
  return values;
}

Bytes e8m0_values() {
  Bytes values{};
  for (int byte = 1; byte < 255; ++byte) values[static_cast<size_t>(byte)] = std::ldexp(1.0f, byte - 127);
  values[255] = NAN;
  return values;
}

}  // namespace

size_t size_of(DType dtype) {
  switch (dtype) {
    case DType::kF64:
    case DType::kI64: return 8;
    case DType::kF32:
    case DType::kI32: return 4;
    case DType::kF16:
    case DType::kBF16:
    case DType::kI16: return 2;
    case DType::kF8E4M3:
    case DType::kF8E5M2:
    case DType::kF8E8M0:
    case DType::kU8:
    case DType::kI8:
    case DType::kBool: return 1;
  }
  return 0;
}

std::string_view name_of(DType dtype) {
  switch (dtype) {
    case DType::kF64: return "F64";
    case DType::kI64: return "I64";
    case DType::kF32: return "F32";
    case DType::kI32: return "I32";
    case DType::kF16: return "F16";
    case DType::kBF16: return "BF16";
    case DType::kI16: return "I16";
    case DType::kF8E4M3: return "F8_E4M3";
    case DType::kF8E5M2: return "F8_E5M2";
    case DType::kF8E8M0: return "F8_E8M0";
    case DType::kU8: return "U8";
    case DType::kI8: return "I8";
    case DType::kBool: return "BOOL";
  }
  return "?";
}

float half_to_float(uint16_t bits) {
  const int exponent = (bits >> 10) & 0x1f;
  const int mantissa = bits & 0x3ff;
  const float sign = (bits & 0x8000) != 0 ? -1.0f : 1.0f;
  if (exponent == 0) return sign * std::ldexp(static_cast<float>(mantissa), -24);
  if (exponent == 31) return mantissa == 0 ? sign * INFINITY : NAN;
  return sign * std::ldexp(static_cast<float>(mantissa | 0x400), exponent - 25);
}

const std::array<float, 256>& values_of_bytes(DType dtype) {
  static const Bytes e4m3 = e4m3_values(), e5m2 = e5m2_values(), e8m0 = e8m0_values();
  switch (dtype) {
    case DType::kF8E4M3: return e4m3;
    case DType::kF8E5M2: return e5m2;
    case DType::kF8E8M0: return e8m0;
    default: throw Error(std::string(name_of(dtype)) + " is no 8-bit float");
  }
}

}  // namespace wan
