// What every CUDA launcher needs: the device, the streams, error checks and scratch memory. Passed explicitly, never
// global.
#pragma once

#include <cuda_runtime_api.h>

#include <cstddef>
#include <cstdint>
#include <source_location>

namespace wan::cuda {

/// Throws Error naming the call site, or OutOfMemory for cudaErrorMemoryAllocation; clears the sticky-less last error
/// first.
void check(cudaError_t status, std::source_location where = std::source_location::current());

/// Device memory from cudaMalloc: `data` is aligned to 1024 bytes, `base` goes to cudaFree.
struct DeviceBlock {
  void* base = nullptr;
  void* data = nullptr;
};

/// At least `bytes` of device memory. Throws OutOfMemory naming `what`.
DeviceBlock allocate_device(size_t bytes, const char* what);

/// A device buffer that only grows; shared by the operations of one queue, whose order makes the sharing safe.
class Scratch {
 public:
  explicit Scratch(const char* what) : what_(what) {}
  ~Scratch();
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  /// At least `bytes` of device memory, 1024-byte aligned. Growing waits for the device; steady state allocates
  /// nothing.
  void* reserve(size_t bytes);
  size_t bytes() const { return bytes_; }

 private:
  const char* what_;
  DeviceBlock block_;
  size_t bytes_ = 0;
};

struct Context {
  int ordinal = 0;
  int capability = 0;  // 10 * major + minor: 90 for Hopper
  int multiprocessors = 0;
  cudaStream_t compute = nullptr;
  cudaStream_t copy = nullptr;
  Scratch scratch{"operation scratch"};  // for one operation's temporaries
  Scratch workspace{
      "library workspace"};  // for cuBLASLt and cuDNN; may be passed to a library call in the same op as `scratch`
};

}  // namespace wan::cuda
