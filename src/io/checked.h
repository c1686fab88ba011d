// Arithmetic on numbers from hostile files, and bounded reads of little-endian integers.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <type_traits>

namespace wan {

/// a * b, or nothing when it does not fit.
inline std::optional<uint64_t> checked_multiply(uint64_t a, uint64_t b) {
  uint64_t product = 0;
  if (__builtin_mul_overflow(a, b, &product)) return std::nullopt;
  return product;
}

/// a + b, or nothing when it does not fit.
inline std::optional<uint64_t> checked_add(uint64_t a, uint64_t b) {
  uint64_t sum = 0;
  if (__builtin_add_overflow(a, b, &sum)) return std::nullopt;
  return sum;
}

/// Whether [offset, offset + size) lies within `limit` bytes.
inline bool within(uint64_t offset, uint64_t size, uint64_t limit) { return offset <= limit && size <= limit - offset; }

/// The little-endian integer at `offset`, which the caller has checked to be inside.
template <typename T>
T read_little_endian(std::span<const std::byte> bytes, uint64_t offset) {
  static_assert(std::is_unsigned_v<T> && std::endian::native == std::endian::little);
  T value = 0;
  std::memcpy(&value, bytes.data() + offset, sizeof(T));
  return value;
}

}  // namespace wan
