// Device memory of the kernel benchmarks.
#pragma once

#include <cstddef>

#include "backend/cuda/context.h"

namespace wan::benchmarks {

/// `bytes` of uninitialised device memory that knows its size.
class DeviceBuffer {
 public:
  explicit DeviceBuffer(size_t bytes) : memory_(bytes, "benchmark", nullptr), bytes_(bytes) {}
  void* data() const { return memory_.data(); }
  size_t bytes() const { return bytes_; }

 private:
  cuda::DeviceMemory memory_;
  size_t bytes_;
};

}  // namespace wan::benchmarks
