// For operations that are defined to the bit: tensors of any type on a backend and back, whole numbers that are the
// same on every machine, and the transform of rows in 8 bits.
#pragma once

#include <bit>
#include <cstdint>
#include <cstring>
#include <vector>

#include "backend/backend.h"

namespace wan {

/// A tensor of any type on the backend.
template <typename T>
Tensor put(Backend& backend, const Shape& shape, const std::vector<T>& values) {
  const Tensor host = host_tensor(dtype_of<T>(), shape);
  std::memcpy(host->data, values.data(), host->bytes());
  Tensor device = backend.allocate(dtype_of<T>(), shape, "test operand");
  backend.copy_bytes(host, device, Queue::kCompute);
  backend.synchronize();
  return device;
}

/// What a contiguous tensor of any type holds, as elements of T.
template <typename T>
std::vector<T> get(Backend& backend, const TensorView& from) {
  const Tensor host = host_tensor(from.dtype, from.shape);
  backend.copy_bytes(from, host, Queue::kCompute);
  backend.synchronize();
  const T* values = static_cast<const T*>(host->data);
  return {values, values + host->bytes() / sizeof(T)};
}

/// Whole numbers from a fixed sequence, the same on every machine.
class Sequence {
 public:
  explicit Sequence(uint64_t seed) : state_(seed) {}
  /// In [low, high].
  int64_t next(int64_t low, int64_t high) {
    state_ = state_ * 6364136223846793005u + 1442695040888963407u;
    return low + static_cast<int64_t>((state_ >> 33) % static_cast<uint64_t>(high - low + 1));
  }

 private:
  uint64_t state_;
};

/// Element i of the transform of a block, from the definition of Sylvester's matrices.
inline double turned(const double* block_values, int block, int i) {
  double sum = 0;
  for (int j = 0; j < block; ++j)
    sum += std::popcount(static_cast<unsigned>(i & j)) % 2 == 0 ? block_values[j] : -block_values[j];
  return sum;
}

/// FNV-1a.
inline uint64_t digest(const void* data, size_t bytes) {
  uint64_t hash = 0xcbf29ce484222325u;
  for (size_t i = 0; i < bytes; ++i) hash = (hash ^ static_cast<const uint8_t*>(data)[i]) * 0x100000001b3u;
  return hash;
}

}  // namespace wan
